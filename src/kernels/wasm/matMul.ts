/**
 * BatchMatMul on wasm. Stock is slow with transposed operands and batches (1–2 GFLOP/s), and repeats batch axes rightly only
 * where they lead; here they broadcast as everywhere else.
 */
import * as tf from '@tensorflow/tfjs';
import { productOf } from '../product.ts';
import type { Replacement } from '../replace.ts';
import { makeOutput, pointer, scratch, wasmFunctions } from './module.ts';

export const matMul: Replacement = {
  kernelName: 'BatchMatMul',
  kernelFunc: (params, stock) => {
    const { backend } = params;
    const { a, b, transposeA, transposeB, m, k, n, kB, batches } = productOf(params);
    // What it does not take it refuses in its own words.
    if (a.dtype !== 'float32' || b.dtype !== 'float32' || kB !== k) return stock(params);

    const batch = tf.broadcast_util.assertAndGetBroadcastShape(...batches);
    const out = makeOutput(backend, [...batch, m, n]);
    const { matMul: run, matMulScratch } = wasmFunctions(backend);
    const work = scratch(backend, matMulScratch());
    const [pa, pb, pc] = [a, b, out].map((t) => pointer(backend, t));
    const count = tf.util.sizeFromShape(batch);
    const [lda, ldb] = [transposeA ? m : k, transposeB ? k : n];
    if (!transposeA && tf.util.sizeFromShape(batches[1]) === 1) {
      // One B for all: its rows follow one another, so they are one matrix.
      run(pa, k, false, pb, ldb, transposeB, pc, n, false, count * m, n, k, work);
      return out;
    }
    const offsetsA = broadcastOffsets(batches[0], batch, 4 * m * k);
    const offsetsB = broadcastOffsets(batches[1], batch, 4 * k * n);
    for (let i = 0; i < count; i++) {
      const c = pc + 4 * m * n * i;
      run(pa + offsetsA[i], lda, transposeA, pb + offsetsB[i], ldb, transposeB, c, n, false, m, n, k, work);
    }
    return out;
  },
};

/** Where the matrix of each batch position begins in an operand of which some axes are 1 or missing, in bytes. */
function broadcastOffsets(operand: readonly number[], batch: readonly number[], bytes: number): Float64Array {
  const offsets = new Float64Array(tf.util.sizeFromShape([...batch]));
  let stride = bytes;
  let repeat = 1; // how many positions pass before this axis moves on
  for (let axis = batch.length - 1; axis >= 0; axis--) {
    const size = operand[axis - batch.length + operand.length] ?? 1;
    if (size > 1) {
      for (let i = 0; i < offsets.length; i++) offsets[i] += stride * (Math.floor(i / repeat) % size);
      stride *= size;
    }
    repeat *= batch[axis];
  }
  return offsets;
}
