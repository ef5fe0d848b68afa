/** The coefficients of HC from the projection, and their gradients: AssemblyScript. Columns four at a time. */
import { beginSums, flush, GROUP, loadUpTo4 } from './coefficients';
import { tanh4 } from './elementary';

/** @param p [T, n, n + 2] @param s [T, n] @param alpha [3] @param b [n + 2, n] */
export function hyperMaps(p: usize, s: usize, alpha: usize, b: usize, pre: usize, post: usize, res: usize, tokens: i32, n: i32): void {
  const rows = n + 2;
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < n; j++) {
      const scale = v128.load_splat<f32>(s);
      for (let m = 0; m < rows; m += 4) {
        const count = min(4, rows - m);
        let y = tanh4(f32x4.mul(scale, loadUpTo4(p, count)));
        for (let k = 0; k < count; k++) {
          const row = m + k;
          const to = row == 0 ? pre : row == 1 ? post : res + (<usize>((row - 2) * n) << 2);
          const h = load<f32>(alpha + (<usize>min(row, 2) << 2)) * f32x4.extract_lane(y, 0) + load<f32>(b + (<usize>(row * n + j) << 2));
          store<f32>(to + (<usize>j << 2), h);
          y = v128.shuffle<f32>(y, y, 1, 2, 3, 0);
        }
        p += <usize>count << 2;
      }
      s += 4;
    }
    pre += <usize>n << 2;
    post += <usize>n << 2;
    res += <usize>(n * n) << 2;
  }
}

/** Bytes of scratch for hyperMapsGradient: sums of (n + 2) n values and of three, rounded up to a whole vector. */
export function hyperMapsGradientScratch(n: i32): usize {
  return <usize>(n * n + 2 * n + 4) << 2;
}

/** @param scratch of hyperMapsGradientScratch(n) bytes */
export function hyperMapsGradient(
  p: usize,
  s: usize,
  alpha: usize,
  dPre: usize,
  dPost: usize,
  dRes: usize,
  dp: usize,
  ds: usize,
  dAlpha: usize,
  db: usize,
  tokens: i32,
  n: i32,
  scratch: usize,
): void {
  const rows = n + 2;
  const width = <usize>(rows * n) << 2;
  const alphaSums = scratch + width;
  beginSums(scratch, width, db, dAlpha);
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < n; j++) {
      const scale = load<f32>(s);
      let scaleSum: f32 = 0;
      for (let m = 0; m < rows; m += 4) {
        const count = min(4, rows - m);
        const value = loadUpTo4(p, count);
        let y = tanh4(f32x4.mul(f32x4.splat(scale), value));
        for (let k = 0; k < count; k++) {
          const row = m + k;
          const from = row == 0 ? dPre : row == 1 ? dPost : dRes + (<usize>((row - 2) * n) << 2);
          const dh = load<f32>(from + (<usize>j << 2));
          const tanh = f32x4.extract_lane(y, 0);
          const part = <usize>min(row, 2) << 2;
          const dz = dh * load<f32>(alpha + part) * (1 - tanh * tanh);
          store<f32>(dp + (<usize>k << 2), dz * scale);
          scaleSum += dz * load<f32>(p + (<usize>k << 2));
          store<f32>(alphaSums + part, load<f32>(alphaSums + part) + dh * tanh);
          const sum = scratch + (<usize>(row * n + j) << 2);
          store<f32>(sum, load<f32>(sum) + dh);
          y = v128.shuffle<f32>(y, y, 1, 2, 3, 0);
        }
        p += <usize>count << 2;
        dp += <usize>count << 2;
      }
      store<f32>(ds, scaleSum);
      s += 4;
      ds += 4;
    }
    dPre += <usize>n << 2;
    dPost += <usize>n << 2;
    dRes += <usize>(n * n) << 2;
    if ((t + 1) % GROUP == 0 || t + 1 == tokens) flush(scratch, width, db, dAlpha);
  }
}
