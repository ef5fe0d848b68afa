/** Sums over the first axis, in its order: the second phase of the sums over tokens. */
import type * as tf from '@tensorflow/tfjs';
import { bindings } from './elements.ts';
import { LANES, makeOutput, runShader, type Shader, sizeOf, type WebGPUBackend } from './program.ts';

const SUM: Shader = {
  key: 'sum chunks',
  inputs: [['chunks', 'f32']],
  outputs: [['result', 'f32']],
  uniforms: bindings('u32', 'count', 'size'),
  lanes: LANES,
  code: () => `
fn run(group: u32, lane: u32) {
  let i = group * ${LANES}u + lane;
  if (i >= uniforms.size) { return; }
  var sum = 0f;
  for (var z = 0u; z < uniforms.count; z++) { sum += chunks[z * uniforms.size + i]; }
  result[i] = sum;
}`,
};

/** @param parts `[Z, ...shape of result]`; given up */
export function sumInto(backend: WebGPUBackend, parts: tf.TensorInfo, result: tf.TensorInfo): void {
  const size = sizeOf(result.shape);
  runShader(backend, SUM, [parts], [result], [parts.shape[0], size], Math.ceil(size / LANES));
  backend.disposeData(parts.dataId);
}

/** @param fill writes `[chunks, ...shape of result]` to the tensor it is given: the result itself where there is one chunk */
export function inChunks(backend: WebGPUBackend, chunks: number, result: tf.TensorInfo, fill: (target: tf.TensorInfo) => void): void {
  if (chunks === 1) {
    fill(result);
    return;
  }
  const parts = makeOutput(backend, [chunks, sizeOf(result.shape)]);
  fill(parts);
  sumInto(backend, parts, result);
}
