/** What a stock product of matrices is asked for: BatchMatMul on wasm and webgpu. Multiplies nothing. */
import type * as tf from '@tensorflow/tfjs';

export interface Product {
  a: tf.TensorInfo;
  b: tf.TensorInfo;
  transposeA: boolean;
  transposeB: boolean;
  /** [m, k] × [k, n] */
  m: number;
  k: number;
  n: number;
  /** The inner axis of b, which has to be k too. */
  kB: number;
  /** The leading axes of a and b, which broadcast. */
  batches: [number[], number[]];
}

/** From what the kernel was called with. */
export function productOf({ inputs, attrs }: Parameters<tf.KernelFunc>[0]): Product {
  const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
  const { transposeA, transposeB } = attrs as unknown as { transposeA: boolean; transposeB: boolean };
  const [rowsA, columnsA] = a.shape.slice(-2);
  const [rowsB, columnsB] = b.shape.slice(-2);
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const [kB, n] = transposeB ? [columnsB, rowsB] : [rowsB, columnsB];
  return { a, b, transposeA, transposeB, m, k, n, kB, batches: [a.shape.slice(0, -2), b.shape.slice(0, -2)] };
}
