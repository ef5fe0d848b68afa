/** Sums over the first axis, in its order: the second phase of the sums over tokens. */
import type * as tf from '@tensorflow/tfjs';
import { makeOutput, runShader, type Shader, sizeOf, type WebGPUBackend } from './program.ts';

const LANES = 64;

const SUM: Shader = {
  key: 'sum chunks',
  inputs: [['chunks', 'f32']],
  outputs: [['result', 'f32']],
  uniforms: [
    ['count', 'u32'],
    ['size', 'u32'],
  ],
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

/** @param fill writes `[chunks, ...shape of result]` to the tensor it is given: the result itself where there is one chunk */
export function inChunks(backend: WebGPUBackend, chunks: number, result: tf.TensorInfo, fill: (target: tf.TensorInfo) => void): void {
  if (chunks === 1) {
    fill(result);
    return;
  }
  const size = sizeOf(result.shape);
  const parts = makeOutput(backend, [chunks, size]);
  fill(parts);
  runShader(backend, SUM, [parts], [result], [chunks, size], Math.ceil(size / LANES));
  backend.disposeData(parts.dataId);
}
