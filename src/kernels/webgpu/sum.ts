/** Sums over the first axis, in its order: the second phase of the sums over tokens. */
import type * as tf from '@tensorflow/tfjs';
import { makeOutputs, runShader, type Shader, type WebGPUBackend } from './program.ts';

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

/** @param chunks `[Z, ...shape]`; given up @returns `shape` */
export function sumChunks(backend: WebGPUBackend, chunks: tf.TensorInfo): tf.TensorInfo {
  const [count, ...shape] = chunks.shape;
  if (count === 1) return { ...chunks, shape };
  const [result] = makeOutputs(backend, [shape]);
  const size = shape.reduce((product, axis) => product * axis, 1);
  runShader(backend, SUM, [chunks], [result], [count, size], Math.ceil(size / LANES));
  backend.disposeData(chunks.dataId);
  return result;
}
