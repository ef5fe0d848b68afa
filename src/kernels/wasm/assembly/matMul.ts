/**
 * C = A B of one pair of float32 matrices, either of them transposed: AssemblyScript. The way of Goto & van de Geijn
 * (doi 10.1145/1356052.1356053): blocks of A and B are packed into panels that stay in cache, and one 4 × 8 tile of C is summed
 * in registers. The order of the sums depends on the shape only, so results are deterministic.
 */
import { packColumns, packRows } from './pack';

/** Rows and columns of the tile: 8 accumulators, 2 of B and 1 of A fit the 15 registers that V8 gives. */
const MR: i32 = 4;
const NR: i32 = 8;
/** A block of B, KC × NC, and one of A, MC × KC, fit a second-level cache of 512 KB. The caller's scratch holds both and one tile. */
const KC: i32 = 256;
const NC: i32 = 256;
const MC: i32 = 128;

/** Bytes of scratch for matMul, whatever the shape: a packed block of B, one of A, and a tile. */
export function matMulScratch(): usize {
  return <usize>(KC * NC + MC * KC + MR * NR) << 2;
}

/**
 * C = A B.
 * @param a [m, k], or [k, m] with transposeA; its rows as they lie are `lda` floats apart
 * @param b [k, n], or [n, k] with transposeB; `ldb` likewise
 * @param c [m, n], overwritten, or added to with `add`; `ldc` likewise
 * @param scratch of matMulScratch() bytes, aligned to 16
 */
export function matMul(
  a: usize,
  lda: i32,
  transposeA: bool,
  b: usize,
  ldb: i32,
  transposeB: bool,
  c: usize,
  ldc: i32,
  add: bool,
  m: i32,
  n: i32,
  k: i32,
  scratch: usize,
): void {
  const packedB = scratch;
  const packedA = packedB + ((KC * NC) << 2);
  const tile = packedA + ((MC * KC) << 2);
  const strideA = <usize>lda << 2;
  const strideB = <usize>ldb << 2;
  const strideC = <usize>ldc << 2;
  if (k == 0 && !add) for (let i = 0; i < m; i++) memory.fill(c + i * strideC, 0, <usize>n << 2);
  for (let jc = 0; jc < n; jc += NC) {
    const nc = min(NC, n - jc);
    for (let pc = 0; pc < k; pc += KC) {
      const kc = min(KC, k - pc);
      if (transposeB) packRows(b + jc * strideB + (<usize>pc << 2), strideB, nc, kc, packedB, NR);
      else packColumns(b + pc * strideB + (<usize>jc << 2), strideB, nc, kc, packedB, NR);
      for (let ic = 0; ic < m; ic += MC) {
        const mc = min(MC, m - ic);
        if (transposeA) packColumns(a + pc * strideA + (<usize>ic << 2), strideA, mc, kc, packedA, MR);
        else packRows(a + ic * strideA + (<usize>pc << 2), strideA, mc, kc, packedA, MR);
        block(packedA, packedB, c + ic * strideC + (<usize>jc << 2), mc, nc, kc, strideC, add || pc > 0, tile);
      }
    }
  }
}

/** One block of C from packed blocks of A and B; added to what is there, or written over it. */
function block(a: usize, b: usize, c: usize, mc: i32, nc: i32, kc: i32, ldc: usize, add: bool, tile: usize): void {
  const sizeA = (<usize>kc * MR) << 2;
  const sizeB = (<usize>kc * NR) << 2;
  for (let j = 0; j < nc; j += NR) {
    let panelA = a;
    for (let i = 0; i < mc; i += MR) {
      const out = c + i * ldc + (<usize>j << 2);
      if (i + MR <= mc && j + NR <= nc) {
        multiply(panelA, b, kc, out, ldc, add);
      } else {
        multiply(panelA, b, kc, tile, NR << 2, false);
        copyTile(tile, out, min(MR, mc - i), min(NR, nc - j), ldc, add);
      }
      panelA += sizeA;
    }
    b += sizeB;
  }
}

/** The part of a tile that lies inside C. */
function copyTile(tile: usize, out: usize, rows: i32, columns: i32, ldc: usize, add: bool): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const to = out + i * ldc + (<usize>j << 2);
      const value = load<f32>(tile + ((<usize>i * NR + j) << 2));
      store<f32>(to, add ? load<f32>(to) + value : value);
    }
  }
}

/**
 * One 4 × 8 tile: Σ over k of a column of the panel of A times a row of the panel of B. Not unrolled: V8 moves all the loads of a
 * loop's body to its start, and with those of two steps of k it runs out of registers (25 GFLOP/s instead of 35).
 */
function multiply(a: usize, b: usize, k: i32, c: usize, ldc: usize, add: bool): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  const end = a + (<usize>k << 4);
  while (a < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load_splat<f32>(a);
    c00 = f32x4.add(c00, f32x4.mul(x, b0));
    c01 = f32x4.add(c01, f32x4.mul(x, b1));
    x = v128.load_splat<f32>(a, 4);
    c10 = f32x4.add(c10, f32x4.mul(x, b0));
    c11 = f32x4.add(c11, f32x4.mul(x, b1));
    x = v128.load_splat<f32>(a, 8);
    c20 = f32x4.add(c20, f32x4.mul(x, b0));
    c21 = f32x4.add(c21, f32x4.mul(x, b1));
    x = v128.load_splat<f32>(a, 12);
    c30 = f32x4.add(c30, f32x4.mul(x, b0));
    c31 = f32x4.add(c31, f32x4.mul(x, b1));
    a += 16;
    b += 32;
  }
  writeRow(c, c00, c01, add);
  writeRow(c + ldc, c10, c11, add);
  writeRow(c + 2 * ldc, c20, c21, add);
  writeRow(c + 3 * ldc, c30, c31, add);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function writeRow(c: usize, left: v128, right: v128, add: bool): void {
  if (add) {
    left = f32x4.add(v128.load(c), left);
    right = f32x4.add(v128.load(c, 16), right);
  }
  v128.store(c, left);
  v128.store(c, right, 16);
}
