/**
 * Runs WGSL of our own on TF.js's WebGPU backend, in the order of its other work. TF.js writes the head of a shader itself,
 * which leaves no room for `enable subgroups` or a second output: here the whole shader is ours, and TF.js's public
 * runWebGPUProgram binds, records and submits. Knows no operation.
 */
import type * as tf from '@tensorflow/tfjs';
import { type KernelCall, kernelFor, type Operation } from '../operation.ts';
import type { Device } from './device.ts';
import { type Binding, PACKED } from './elements.ts';

/** What we use of the backend beyond the public KernelBackend. */
export interface WebGPUBackend extends tf.KernelBackend {
  device: Device & {
    createShaderModule(descriptor: { code: string; label: string }): object;
    createComputePipeline(descriptor: { compute: { module: object; entryPoint: string }; label: string; layout: 'auto' }): object;
  };
  makeTensorInfo(shape: number[], dtype: tf.DataType, values?: tf.BackendValues): tf.TensorInfo;
  tensorMap: {
    has(dataId: object): boolean;
    /** `packed` is ours: see packed.ts. */
    get(dataId: object): { values: tf.BackendValues | null; resource?: object | null; packed?: readonly number[] };
  };
  /** Gives a tensor its buffer, with its values if they are on the host. */
  uploadToGPU(dataId: object): void;
  runWebGPUProgram(
    program: object,
    inputs: tf.TensorInfo[],
    dtype: tf.DataType,
    uniforms: { type: string; data: number[] }[],
    output: tf.TensorInfo,
  ): tf.TensorInfo;
}

export interface Shader {
  /** Name and all constants that change the code. */
  key: string;
  inputs: readonly Binding[];
  outputs: readonly Binding[];
  /** Fields of `uniforms`. */
  uniforms: readonly Binding[];
  /** Threads of a workgroup. */
  lanes: number;
  /** Declares `fn run(group: u32, lane: u32)`. With subgroups, `subgroupLanes: u32` says how large they are. */
  code: (subgroups: boolean) => string;
}

/** Threads of a workgroup where each works by itself. Our choice: whole waves on every card, which have 32 or 64. */
export const LANES = 64;

/** May shaders `enable subgroups`? */
export const hasSubgroups = (backend: WebGPUBackend): boolean => backend.device.features.has('subgroups');

/** How many tensors a shader may take and give. */
export const bindingsAtMost = (backend: WebGPUBackend): number => backend.device.limits['maxStorageBuffersPerShaderStage'];

const pipelines = new WeakMap<object, Map<string, object>>();

function pipelineOf(backend: WebGPUBackend, shader: Shader): object {
  const { device } = backend;
  const made = pipelines.get(device) ?? new Map<string, object>();
  pipelines.set(device, made);
  const known = made.get(shader.key);
  if (known !== undefined) return known;
  const module = device.createShaderModule({ code: source(shader, hasSubgroups(backend)), label: shader.key });
  const pipeline = device.createComputePipeline({ compute: { module, entryPoint: 'main' }, label: shader.key, layout: 'auto' });
  made.set(shader.key, pipeline);
  return pipeline;
}

/** The order of bindings is TF.js's: one output, the inputs, here more outputs, the uniforms. */
function source({ inputs, outputs, uniforms, lanes, code }: Shader, subgroups: boolean): string {
  const [first, ...more] = outputs;
  const bindings = [first, ...inputs, ...more];
  const declared = bindings.map(([name, element], i) => {
    const access = i > 0 && i <= inputs.length ? 'read' : 'read_write';
    return `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${element}>;`;
  });
  // TF.js's uniforms begin with NaN and infinity; then shape and stride of each tensor, which are of one axis here.
  const before = bindings.map((_, i) => `shape${i}: i32, stride${i}: i32,`);
  const own = uniforms.map(([name, type]) => `${name}: ${type},`);
  return `${subgroups ? 'enable subgroups;' : ''}
struct Uniforms { nan: f32, infinity: f32, ${before.join(' ')} ${own.join(' ')} }
${declared.join('\n')}
@group(0) @binding(${bindings.length}) var<uniform> uniforms: Uniforms;
${subgroups ? 'var<private> subgroupLanes: u32;' : ''}
${code(subgroups)}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32
  ${subgroups ? ', @builtin(subgroup_size) size: u32' : ''}) {
  ${subgroups ? 'subgroupLanes = size;' : ''}
  // A binding that the code does not use would fall out of the layout, and the bind group would not fit.
  ${[...bindings.map(([name]) => name), 'uniforms'].map((name) => `_ = &${name};`).join(' ')}
  run((id.z * count.y + id.y) * count.x + id.x, lane);
}`;
}

/** TF.js compiles one empty program for all of these, and runs our pipeline instead of it. */
class Program {
  readonly dispatchLayout = { x: [0] };
  readonly workgroupSize = [1, 1, 1];
  readonly #pipeline: object;

  constructor(pipeline: object) {
    this.#pipeline = pipeline;
  }
  // TF.js sets both before it reads them.
  get shaderKey(): string {
    return 'gainwatch';
  }
  set shaderKey(_: string) {}
  get pipeline(): object {
    return this.#pipeline;
  }
  set pipeline(_: object) {}
  getUserCode(): string {
    return 'fn main(index: i32) {}';
  }
}

/**
 * @param inputs, outputs in the order of the shader's bindings; what an output held and is not written stays
 * @param uniforms in the order of the shader's
 * @param groups workgroups; more of them than asked for may run, so the code checks its `group`
 */
export function runShader(
  backend: WebGPUBackend,
  shader: Shader,
  inputs: readonly tf.TensorInfo[],
  outputs: readonly tf.TensorInfo[],
  uniforms: readonly number[],
  groups: number,
): void {
  if (groups === 0) return;
  const [first, ...more] = [...outputs].map(flat);
  const bound = [...inputs.map(flat), ...more];
  // Which of the tensors after the first are in half precision.
  const packed = [...shader.inputs, ...shader.outputs.slice(1)].map(([, element]) => element === PACKED);
  const program = Object.assign(new Program(pipelineOf(backend, shader)), {
    dispatch: [groups, 1, 1],
    outputShape: first.shape,
    variableNames: packed.map((_, i) => `input${i}`),
    packed,
  });
  const typed = uniforms.map((value, i) => ({ type: shader.uniforms[i][1] === 'f32' ? 'float32' : 'uint32', data: [value] }));
  backend.runWebGPUProgram(program, bound, 'float32', typed, first);
}

/** With one axis, so that TF.js's uniforms have the same layout for all. */
function flat({ dataId, shape, dtype }: tf.TensorInfo): tf.TensorInfo {
  return { dataId, shape: [sizeOf(shape)], dtype };
}

/** A new float32 tensor. */
export function makeOutput(backend: WebGPUBackend, shape: readonly number[]): tf.TensorInfo {
  return backend.makeTensorInfo([...shape], 'float32');
}

const makeOutputs = (backend: WebGPUBackend, shapes: readonly number[][]) => shapes.map((shape) => makeOutput(backend, shape));

export type Call = KernelCall<WebGPUBackend>;

/**
 * @param run fills the outputs
 * @param make makes them, from the shapes and the inputs; float32 unless given
 */
export const webgpuKernel = (
  operation: Operation,
  run: (call: Call) => void,
  make: (backend: WebGPUBackend, shapes: readonly number[][], inputs: readonly tf.TensorInfo[]) => tf.TensorInfo[] = makeOutputs,
): tf.KernelConfig => kernelFor(operation, 'webgpu', make, run);

/** How many values a tensor of this shape has. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, axis) => product * axis, 1);

/** Tokens, n and C of streams `[..., n, C]`. */
export function sizesOf(shape: readonly number[]): { tokens: number; n: number; channels: number } {
  const [n, channels] = shape.slice(-2);
  return { tokens: sizeOf(shape.slice(0, -2)), n, channels };
}
