/**
 * Tensors in half precision on WebGPU. TF.js has no such dtype: they are float32 to it, of their full shape, but their buffer
 * holds two halves in each word. What knows (a shader whose binding is PACKED) reads them as they are; for all else, stock
 * kernels and reads, the backend unpacks them first. Which tensors are stored so is up to writeStreams.ts.
 */
import * as tf from '@tensorflow/tfjs';
import { elementOf, PACK, PACKED, PACKED_CHANNELS } from './elements.ts';
import { LANES, makeOutput, runShader, type Shader, sizeOf, type WebGPUBackend } from './program.ts';

/** Can a tensor of this shape be stored so? Its last axis has to be a multiple of 8. */
export const canPack = (shape: readonly number[]): boolean => (shape.at(-1) ?? 0) % PACKED_CHANNELS === 0 && sizeOf(shape) > 0;

/** Its full shape where it is stored so. A tensor of another backend is not. */
function packedShape(backend: WebGPUBackend, dataId: object): readonly number[] | null {
  return backend.tensorMap.has(dataId) ? (backend.tensorMap.get(dataId).packed ?? null) : null;
}

/** Is a tensor stored in half precision? */
export const isPacked = (backend: WebGPUBackend, { dataId }: tf.TensorInfo): boolean => packedShape(backend, dataId) !== null;

/** Is it stored so, and can its elements be read as they are in the shape that it has now? */
export const isReadable = (backend: WebGPUBackend, tensor: tf.TensorInfo): boolean => isPacked(backend, tensor) && canPack(tensor.shape);

/** A new tensor in half precision. @param shape one that canPack */
export function makePacked(backend: WebGPUBackend, shape: readonly number[]): tf.TensorInfo {
  seeThrough(backend);
  // The backend takes the size of a buffer from here.
  const { dataId, dtype } = backend.makeTensorInfo([sizeOf(shape) / 2], 'float32');
  backend.tensorMap.get(dataId).packed = [...shape];
  return { dataId, shape: [...shape], dtype };
}

/** Bytes of a tensor's buffer, whatever the backend. */
export function storedBytes(backend: unknown, { dataId, shape, dtype }: tf.TensorInfo): number {
  const { tensorMap } = backend as Partial<WebGPUBackend>;
  const halved = tensorMap?.has(dataId) === true && tensorMap.get(dataId).packed != null;
  return sizeOf(shape) * (halved ? 2 : tf.util.bytesPerElement(dtype));
}

const { element } = elementOf(PACKED_CHANNELS, true);

const UNPACK: Shader = {
  key: 'unpack',
  inputs: [['halves', PACKED]],
  outputs: [['result', element]],
  uniforms: [['count', 'u32']],
  lanes: LANES,
  code: () => `
${PACK}
fn run(group: u32, lane: u32) {
  let i = group * ${LANES}u + lane;
  if (i < uniforms.count) { result[i] = unpack(halves[i]); }
}`,
};

/** A float32 tensor with the values of one in half precision; the caller disposes it. */
function unpack(backend: WebGPUBackend, packed: tf.TensorInfo): tf.TensorInfo {
  const result = makeOutput(backend, packed.shape);
  const count = sizeOf(packed.shape) / PACKED_CHANNELS;
  runShader(backend, UNPACK, [packed], [result], [count], Math.ceil(count / LANES));
  return result;
}

const done = new WeakSet<WebGPUBackend>();

/** From now on the backend unpacks such tensors for all that does not know them. It goes on to: some may outlive accelerate. */
function seeThrough(backend: WebGPUBackend): void {
  if (done.has(backend)) return;
  done.add(backend);
  const { runWebGPUProgram, read, readSync, readToGPU } = backend;
  const dispose = (tensors: readonly tf.TensorInfo[]) => {
    for (const { dataId } of tensors) backend.disposeData(dataId);
  };
  /** The same values in float32; none: they are. */
  const copiesOf = (dataId: object): tf.TensorInfo[] => {
    const shape = packedShape(backend, dataId);
    return shape === null ? [] : [unpack(backend, { dataId, shape: [...shape], dtype: 'float32' })];
  };
  const onFloats = <T>(dataId: object, run: (dataId: object) => T): T => {
    const copies = copiesOf(dataId);
    try {
      return run(copies[0]?.dataId ?? dataId);
    } finally {
      dispose(copies);
    }
  };
  backend.runWebGPUProgram = (program, inputs, ...rest) => {
    const { packed } = program as { packed?: readonly boolean[] };
    const copies: tf.TensorInfo[] = [];
    const given = inputs.map((input, i) => {
      if (packed?.[i] === true || !isPacked(backend, input)) return input;
      const copy = unpack(backend, input);
      copies.push(copy);
      return copy;
    });
    const result = runWebGPUProgram.call(backend, program, given, ...rest);
    dispose(copies);
    return result;
  };
  backend.read = async (dataId) => {
    const copies = copiesOf(dataId);
    try {
      return await read.call(backend, copies[0]?.dataId ?? dataId);
    } finally {
      dispose(copies);
    }
  };
  backend.readSync = (dataId) => onFloats(dataId, (id) => readSync.call(backend, id));
  backend.readToGPU = (dataId, options) => onFloats(dataId, (id) => readToGPU.call(backend, id, options));
}
