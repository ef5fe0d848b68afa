/**
 * The streams after a connection on WebGPU, and its gradient. Sums over channels are one workgroup per token; what has none is one
 * thread per element. With storage 'float16' the new streams are in half precision, and so is what is kept of F.
 */
import type * as tf from '@tensorflow/tfjs';
import { WRITE_STREAMS, WRITE_STREAMS_GRADIENT, WRITE_STREAMS_KEEPING } from '../operations/writeStreams.ts';
import { type Binding, elementOf, innerCode, PACK, stored } from './elements.ts';
import { canPack, isReadable, makePacked } from './packed.ts';
import type { Call, Shader, WebGPUBackend } from './program.ts';
import { bindingsAtMost, hasSubgroups, LANES, makeOutput, runShader, sizesOf, webgpuKernel } from './program.ts';
import { lanesFor, reduceCode } from './workgroupSum.ts';

/** Our choice: n² + n sums a thread leave registers for no more. */
const MAX_GRADIENT_LANES = 128;

/** Which of the tensors are in half precision. */
interface Formats {
  x: boolean;
  branch: boolean;
  result: boolean;
}

/** @param keeps is F, as it is used, written a second time, in half precision? */
function writeShader(n: number, channels: number, formats: Formats, keeps: boolean): Shader {
  const packed = formats.x || formats.branch || formats.result;
  const { element, count } = elementOf(channels, packed);
  const x = stored('x', element, formats.x);
  const branch = stored('branch', element, formats.branch);
  const result = stored('result', element, formats.result);
  const kept = stored('kept', element, true);
  // F is rounded whether it is kept or not: values and gradients are the same with recompute and without.
  const f = formats.result && !formats.branch ? `rounded(${branch.at('index')})` : branch.at('index');
  return {
    key: `write ${n} ${channels} ${Object.values(formats)} ${keeps}`,
    inputs: [['res', 'f32'], x.binding, ['post', 'f32'], branch.binding],
    outputs: keeps ? [result.binding, kept.binding] : [result.binding],
    uniforms: [['size', 'u32']],
    lanes: LANES,
    code: () => `
${packed ? PACK : ''}
fn run(group: u32, lane: u32) {
  let index = group * ${LANES}u + lane;
  if (index >= uniforms.size) { return; }
  let t = index / ${count}u;
  let c = index % ${count}u;
  var streams: array<${element}, ${n}>;
  for (var j = 0u; j < ${n}u; j++) { streams[j] = ${x.at(`(t * ${n}u + j) * ${count}u + c`)}; }
  let f = ${f};
  ${keeps ? kept.set('index', 'f') : ''}
  for (var i = 0u; i < ${n}u; i++) {
    var sum = post[t * ${n}u + i] * f;
    for (var j = 0u; j < ${n}u; j++) { sum += res[(t * ${n}u + i) * ${n}u + j] * streams[j]; }
    ${result.set(`(t * ${n}u + i) * ${count}u + c`, 'sum')}
  }
}`,
  };
}

/** One pass gives all four gradients; where a device binds too few tensors, one pass gives each half of them. */
type Part = 'all' | 'streams' | 'coefficients';

function gradientShader(n: number, channels: number, formats: Pick<Formats, 'x' | 'branch'>, subgroups: boolean, part: Part): Shader {
  const packed = formats.x || formats.branch;
  const { element, count } = elementOf(channels, packed);
  const x = stored('x', element, formats.x);
  const branch = stored('branch', element, formats.branch);
  const [streams, coefficients] = [part !== 'coefficients', part !== 'streams'];
  const values = n * n + n;
  const lanes = lanesFor(count, coefficients ? values : 1, subgroups, MAX_GRADIENT_LANES);
  const inputs: Binding[] = [];
  if (streams) inputs.push(['res', 'f32'], ['post', 'f32']);
  if (coefficients) inputs.push(x.binding, branch.binding);
  const outputs: Binding[] = [];
  if (coefficients) outputs.push(['dRes', 'f32'], ['dPost', 'f32']);
  if (streams) outputs.push(['dx', element], ['dBranch', element]);
  const ofStreams = `
    var sum = ${element}();
    for (var i = 0u; i < ${n}u; i++) { sum += post[t * ${n}u + i] * d[i]; }
    dBranch[t * ${count}u + c] = sum;
    for (var j = 0u; j < ${n}u; j++) {
      var column = ${element}();
      for (var i = 0u; i < ${n}u; i++) { column += res[(t * ${n}u + i) * ${n}u + j] * d[i]; }
      dx[(t * ${n}u + j) * ${count}u + c] = column;
    }`;
  const ofCoefficients = `
    let f = ${branch.at(`t * ${count}u + c`)};
    for (var i = 0u; i < ${n}u; i++) { sums[${n * n}u + i] += inner(d[i], f); }
    for (var j = 0u; j < ${n}u; j++) {
      let stream = ${x.at(`(t * ${n}u + j) * ${count}u + c`)};
      for (var i = 0u; i < ${n}u; i++) { sums[i * ${n}u + j] += inner(d[i], stream); }
    }`;
  return {
    key: `write gradient ${n} ${channels} ${Object.values(formats)} ${part}`,
    inputs: [...inputs, ['dOut', element]],
    outputs,
    uniforms: [['tokens', 'u32']],
    lanes,
    code: () => `
${packed ? PACK : ''}
${innerCode(element)}
${coefficients ? reduceCode(values, lanes, subgroups) : ''}
fn run(t: u32, lane: u32) {
  if (t >= uniforms.tokens) { return; }
  ${coefficients ? `var sums: array<f32, ${values}>;` : ''}
  for (var c = lane; c < ${count}u; c += ${lanes}u) {
    var d: array<${element}, ${n}>;
    for (var i = 0u; i < ${n}u; i++) { d[i] = dOut[(t * ${n}u + i) * ${count}u + c]; }
    ${streams ? ofStreams : ''}
    ${coefficients ? ofCoefficients : ''}
  }
  ${
    coefficients
      ? `reduce(&sums, lane);
  for (var k = lane; k < ${n * n}u; k += ${lanes}u) { dRes[t * ${n * n}u + k] = total[k]; }
  if (lane < ${n}u) { dPost[t * ${n}u + lane] = total[${n * n}u + lane]; }`
      : ''
  }
}`,
  };
}

function writeInto({ backend, inputs }: Pick<Call, 'backend' | 'inputs'>, result: tf.TensorInfo, kept: tf.TensorInfo | null): void {
  const [, x, , branch] = inputs;
  const { tokens, n, channels } = sizesOf(x.shape);
  const formats = { x: isReadable(backend, x), branch: isReadable(backend, branch), result: isReadable(backend, result) };
  const size = tokens * elementOf(channels, Object.values(formats).includes(true)).count;
  const outputs = kept === null ? [result] : [result, kept];
  runShader(backend, writeShader(n, channels, formats, kept !== null), inputs, outputs, [size], Math.ceil(size / LANES));
}

const write = (call: Call) => writeInto(call, call.outputs[0], null);
const forward = webgpuKernel(WRITE_STREAMS, write);

const makeStreams = (backend: WebGPUBackend, shape: readonly number[]) =>
  canPack(shape) ? makePacked(backend, shape) : makeOutput(backend, shape);

const forwardPacked = webgpuKernel(WRITE_STREAMS, write, (backend, [shape]) => [makeStreams(backend, shape)]);

const forwardKeeping = webgpuKernel(
  WRITE_STREAMS_KEEPING,
  ({ backend, inputs, outputs: [result, kept] }) => writeInto({ backend, inputs }, result, kept.dataId === inputs[3].dataId ? null : kept),
  (backend, [shape], [, , , branch]) => {
    if (canPack(branch.shape) && !isReadable(backend, branch)) return [makeStreams(backend, shape), makePacked(backend, branch.shape)];
    // F itself, once more.
    backend.incRef(branch.dataId);
    return [makeStreams(backend, shape), { ...branch }];
  },
);

const gradient = webgpuKernel(WRITE_STREAMS_GRADIENT, ({ backend, inputs, outputs }) => {
  const [res, x, post, branch, dOut] = inputs;
  const [dRes, dx, dPost, dBranch] = outputs;
  const { tokens, n, channels } = sizesOf(x.shape);
  const formats = { x: isReadable(backend, x), branch: isReadable(backend, branch) };
  const run = (part: Part, given: tf.TensorInfo[], results: tf.TensorInfo[]) => {
    const read = part === 'streams' ? { x: false, branch: false } : formats;
    runShader(backend, gradientShader(n, channels, read, hasSubgroups(backend), part), given, results, [tokens], tokens);
  };
  if (bindingsAtMost(backend) >= 9) run('all', [res, post, x, branch, dOut], [dRes, dPost, dx, dBranch]);
  else {
    run('coefficients', [x, branch, dOut], [dRes, dPost]);
    run('streams', [res, post, dOut], [dx, dBranch]);
  }
});

/** By the storage of what is written. */
export const writeStreamsKernels = { float32: [forward, gradient], float16: [forwardPacked, forwardKeeping, gradient] };
