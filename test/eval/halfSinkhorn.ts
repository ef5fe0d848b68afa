/** Sinkhorn in float16: every iterate rounded, as on an accelerator without care. In place of the wasm kernel, in the recorder only. */
import * as tf from '@tensorflow/tfjs';
import { accelerate } from '../../src/kernels/accelerate.ts';
import { hostValues } from '../../src/kernels/host.ts';
import { OPEN_MANIFOLD } from '../../src/kernels/operations/openManifold.ts';
import { SINKHORN } from '../../src/kernels/operations/sinkhorn.ts';
import { replaceKernel } from '../../src/kernels/replace.ts';

/** Nearest float16, ties to even, subnormals included; overflow to ±Infinity. */
export function roundToHalf(value: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(value))));
  const quantum = 2 ** (exponent - 10);
  const scaled = value / quantum;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const rounded = (rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor) * quantum;
  return Math.abs(rounded) > 65504 ? Math.sign(rounded) * Number.POSITIVE_INFINITY : rounded;
}

/** The paper's convention on `[..., n, n]`; columns, then rows. */
export function halfSinkhorn(logits: ArrayLike<number>, n: number, iterations: number): Float64Array {
  const m = Float64Array.from(logits);
  for (let at = 0; at < m.length; at += n * n) {
    const divide = (lines: (line: number, k: number) => number) => {
      for (let line = 0; line < n; line++) {
        let sum = 0;
        for (let k = 0; k < n; k++) sum = roundToHalf(sum + m[at + lines(line, k)]);
        for (let k = 0; k < n; k++) m[at + lines(line, k)] = roundToHalf(m[at + lines(line, k)] / sum);
      }
    };
    const column = (j: number, i: number) => i * n + j;
    const row = (i: number, j: number) => i * n + j;
    for (let j = 0; j < n; j++) {
      let max = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < n; i++) max = Math.max(max, m[at + column(j, i)]);
      for (let i = 0; i < n; i++) m[at + column(j, i)] = roundToHalf(Math.exp(m[at + column(j, i)] - max));
    }
    for (let t = 0; t < iterations; t++) {
      divide(column);
      divide(row);
    }
  }
  return m;
}

/** Puts it in place of the exact kernel for the rest of the process. The gradient stays the exact one's. */
export function useHalfSinkhorn(): void {
  accelerate(tf);
  const kernelFunc: tf.KernelFunc = ({ inputs, attrs, backend }) => {
    const [logits] = Object.values(inputs) as tf.TensorInfo[];
    const { shape, dtype } = logits;
    const result = halfSinkhorn(hostValues(logits)!, shape.at(-1) as number, attrs!['iterations'] as number);
    return { dataId: (backend as tf.KernelBackend).write(Float32Array.from(result), shape, dtype), shape, dtype };
  };
  for (const backendName of ['cpu', 'wasm'] as const) {
    replaceKernel(tf, { kernelName: SINKHORN.name, backendName, kernelFunc });
    // It has the exact one within.
    if (tf.getKernel(OPEN_MANIFOLD.name, backendName) != null) tf.unregisterKernel(OPEN_MANIFOLD.name, backendName);
  }
}
