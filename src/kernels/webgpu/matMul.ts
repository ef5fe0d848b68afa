/**
 * Stock matMul on WebGPU without its split of long sums: that adds the parts up by atomic additions, in no fixed order, so that
 * two runs from one seed differ. Here the parts of xᵀ y, the gradient of a weight, are the batch of a batched product, and are
 * added up in order; other long products take small tiles.
 */
import * as tf from '@tensorflow/tfjs';
import { type Product, productOf } from '../product.ts';
import type { Replacement } from '../replace.ts';
import { makeOutput, sizeOf, type WebGPUBackend } from './program.ts';
import { sumInto } from './sum.ts';

const FLAG = 'WEBGPU_MATMUL_PROGRAM_TYPE';
/** TF.js's own choice; MatMulSmallOutputSizeProgram, of its MatMulProgramType. */
const [ANY, SMALL_TILES] = [-1, 2];
/**
 * It splits sums of so many terms and more where a product has few tiles: how few depends on the device, so many at most. Smaller
 * products it never splits (TF.js 4.22.0, batchMatMulImpl).
 */
const [MIN_SPLIT_TERMS, TILE, MAX_SPLIT_TILES, MIN_SPLIT_SIZE] = [2000, 32, 32, 128];
/** Terms of a part of ours, and parts: our choice. */
const [MIN_PART_TERMS, MAX_PARTS] = [128, 64];

function mayBeSplit(product: Product): boolean {
  const { m, k, n, batches } = product;
  if (batches.some((batch) => sizeOf(batch) !== 1)) return false;
  return k >= MIN_SPLIT_TERMS && m * n > MIN_SPLIT_SIZE && Math.ceil(m / TILE) * Math.ceil(n / TILE) <= MAX_SPLIT_TILES;
}

/** How many equal parts a sum of `k` terms has; 1 where it has none. */
function partsOf(k: number): number {
  for (let parts = Math.min(MAX_PARTS, Math.floor(k / MIN_PART_TERMS)); parts > 1; parts--) if (k % parts === 0) return parts;
  return 1;
}

/** Runs the stock kernel with the one program type that has no split. */
function inSmallTiles(params: Parameters<tf.KernelFunc>[0], stock: tf.KernelFunc): ReturnType<tf.KernelFunc> {
  tf.env().set(FLAG, SMALL_TILES);
  try {
    return stock(params);
  } finally {
    tf.env().set(FLAG, ANY);
  }
}

const isStocksChoice = () => tf.env().getNumber(FLAG) === ANY;

export const matMul: Replacement = {
  kernelName: tf.BatchMatMul,
  kernelFunc: (params, stock) => {
    const product = productOf(params);
    if (!isStocksChoice() || !mayBeSplit(product)) return stock(params);
    const { a, b, transposeA, transposeB, m, k, n, batches } = product;
    const parts = transposeA && !transposeB && a.dtype === 'float32' && b.dtype === 'float32' ? partsOf(k) : 1;
    if (parts === 1) return inSmallTiles(params, stock);
    const backend = params.backend as WebGPUBackend;
    const inParts = (tensor: tf.TensorInfo, width: number) => ({ ...tensor, shape: [parts, k / parts, width] });
    const products = stock({ ...params, inputs: { a: inParts(a, m), b: inParts(b, n) } }) as tf.TensorInfo;
    const result = makeOutput(backend, [...tf.broadcast_util.assertAndGetBroadcastShape(...batches), m, n]);
    sumInto(backend, products, result);
    return result;
  },
};

/** With a bias or an activation. */
export const fusedMatMul: Replacement = {
  kernelName: tf._FusedMatMul,
  kernelFunc: (params, stock) => (isStocksChoice() && mayBeSplit(productOf(params)) ? inSmallTiles(params, stock) : stock(params)),
};
