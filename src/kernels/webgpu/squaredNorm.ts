/** Σ x² over many tensors on WebGPU: several tensors at a time, each by some workgroups, whose sums one more adds up. */
import type * as tf from '@tensorflow/tfjs';
import { SQUARED_NORM } from '../operations/squaredNorm.ts';
import { bindings } from './elements.ts';
import { hasSubgroups, makeOutput, runShader, type Shader, sizeOf, type WebGPUBackend, webgpuKernel } from './program.ts';
import { reduceCode } from './workgroupSum.ts';

const LANES = 128;
/** Every device binds eight tensors (WebGPU, "Limits"), of which one is the result. */
const MAX_TENSORS = 7;
/** Elements for each workgroup, until a tensor has so many groups. Our choice: 64 elements a thread. */
const [SHARE, MAX_GROUPS] = [8192, 64];

function squaresShader(count: number, subgroups: boolean): Shader {
  const tensors = Array.from({ length: count }, (_, i) => i);
  return {
    key: `squares ${count}`,
    inputs: bindings('f32', ...tensors.map((i) => `x${i}`)),
    outputs: [['sums', 'f32']],
    uniforms: bindings('u32', 'first', ...tensors.flatMap((i) => [`size${i}`, `groups${i}`])),
    lanes: LANES,
    code: () => `
${reduceCode(1, LANES, subgroups)}
fn run(group: u32, lane: u32) {
  var sum: array<f32, 1>;
  var own = group;
  ${tensors
    .map(
      (i) => `if (own < uniforms.groups${i}) {
    for (var k = own * ${LANES}u + lane; k < uniforms.size${i}; k += uniforms.groups${i} * ${LANES}u) { sum[0] += x${i}[k] * x${i}[k]; }
  }
  own = select(own - uniforms.groups${i}, 0xffffffffu, own < uniforms.groups${i} || own == 0xffffffffu);`,
    )
    .join('\n  ')}
  reduce(&sum, lane);
  if (lane == 0u) { sums[uniforms.first + group] = total[0]; }
}`,
  };
}

function totalShader(subgroups: boolean): Shader {
  return {
    key: 'squares total',
    inputs: [['sums', 'f32']],
    outputs: [['result', 'f32']],
    uniforms: bindings('u32', 'count', 'to'),
    lanes: LANES,
    code: () => `
${reduceCode(1, LANES, subgroups)}
fn run(group: u32, lane: u32) {
  var sum: array<f32, 1>;
  for (var k = lane; k < uniforms.count; k += ${LANES}u) { sum[0] += sums[k]; }
  reduce(&sum, lane);
  if (lane == 0u) { result[uniforms.to] = total[0]; }
}`,
  };
}

/** Writes the sum of all squares to `result[to]`. */
export function squaredNormInto(backend: WebGPUBackend, tensors: readonly tf.TensorInfo[], result: tf.TensorInfo, to: number): void {
  const subgroups = hasSubgroups(backend);
  const sizes = tensors.map(({ shape }) => sizeOf(shape));
  const groups = sizes.map((size) => Math.max(1, Math.min(MAX_GROUPS, Math.ceil(size / SHARE))));
  const total = groups.reduce((sum, count) => sum + count, 0);
  const sums = makeOutput(backend, [total]);
  let first = 0;
  for (let at = 0; at < tensors.length; at += MAX_TENSORS) {
    const some = tensors.slice(at, at + MAX_TENSORS);
    const pairs = some.flatMap((_, i) => [sizes[at + i], groups[at + i]]);
    const count = groups.slice(at, at + MAX_TENSORS).reduce((sum, c) => sum + c, 0);
    runShader(backend, squaresShader(some.length, subgroups), some, [sums], [first, ...pairs], count);
    first += count;
  }
  runShader(backend, totalShader(subgroups), [sums], [result], [total, to], 1);
  backend.disposeData(sums.dataId);
}

const forward = webgpuKernel(SQUARED_NORM, ({ backend, inputs, outputs: [result] }) => squaredNormInto(backend, inputs, result, 0));

export const squaredNormKernels = [forward];
