/**
 * What a connection's branch reads on WebGPU, and its gradient. Sums over channels are one workgroup per token; what has none is one
 * thread per element.
 */
import { READ_STREAMS, READ_STREAMS_GRADIENT } from '../operations/readStreams.ts';
import { bindings, elementOf, innerCode, PACK, stored } from './elements.ts';
import { isReadable } from './packed.ts';
import { hasSubgroups, LANES, runShader, type Shader, sizesOf, webgpuKernel } from './program.ts';
import { lanesFor, reduceCode } from './workgroupSum.ts';

/** @param packed is x in half precision? */
function readShader(n: number, channels: number, packed: boolean): Shader {
  const { element, count } = elementOf(channels, packed);
  const x = stored('x', element, packed);
  return {
    key: `read ${n} ${channels} ${packed}`,
    inputs: [['pre', 'f32'], x.binding],
    outputs: [['u', element]],
    uniforms: [['size', 'u32']],
    lanes: LANES,
    code: () => `
${packed ? PACK : ''}
fn run(group: u32, lane: u32) {
  let i = group * ${LANES}u + lane;
  if (i >= uniforms.size) { return; }
  let t = i / ${count}u;
  let c = i % ${count}u;
  var sum = ${element}();
  for (var j = 0u; j < ${n}u; j++) { sum += pre[t * ${n}u + j] * ${x.at(`(t * ${n}u + j) * ${count}u + c`)}; }
  u[i] = sum;
}`,
  };
}

function gradientShader(n: number, channels: number, packed: boolean, subgroups: boolean): Shader {
  const { element, count } = elementOf(channels, packed);
  const x = stored('x', element, packed);
  const lanes = lanesFor(count, n, subgroups);
  return {
    key: `read gradient ${n} ${channels} ${packed}`,
    inputs: [['pre', 'f32'], x.binding, ['du', element], ['through', element]],
    outputs: [...bindings('f32', 'dPre'), ['dx', element]],
    uniforms: [['tokens', 'u32']],
    lanes,
    code: () => `
${packed ? PACK : ''}
${innerCode(element)}
${reduceCode(n, lanes, subgroups)}
fn run(t: u32, lane: u32) {
  if (t >= uniforms.tokens) { return; }
  var sums: array<f32, ${n}>;
  for (var c = lane; c < ${count}u; c += ${lanes}u) {
    let d = du[t * ${count}u + c];
    for (var j = 0u; j < ${n}u; j++) {
      let at = (t * ${n}u + j) * ${count}u + c;
      sums[j] += inner(d, ${x.at('at')});
      dx[at] = through[at] + pre[t * ${n}u + j] * d;
    }
  }
  reduce(&sums, lane);
  if (lane < ${n}u) { dPre[t * ${n}u + lane] = total[lane]; }
}`,
  };
}

const forward = webgpuKernel(READ_STREAMS, ({ backend, inputs, outputs }) => {
  const { tokens, n, channels } = sizesOf(inputs[1].shape);
  const packed = isReadable(backend, inputs[1]);
  const size = tokens * elementOf(channels, packed).count;
  runShader(backend, readShader(n, channels, packed), inputs, outputs, [size], Math.ceil(size / LANES));
});

const gradient = webgpuKernel(READ_STREAMS_GRADIENT, ({ backend, inputs, outputs }) => {
  const { tokens, n, channels } = sizesOf(inputs[1].shape);
  const shader = gradientShader(n, channels, isReadable(backend, inputs[1]), hasSubgroups(backend));
  runShader(backend, shader, inputs, outputs, [tokens], tokens);
});

export const readStreamsKernels = [forward, gradient];
