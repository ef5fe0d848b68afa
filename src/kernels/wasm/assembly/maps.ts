/**
 * K2, the coefficients from the projection, and their gradients: AssemblyScript. Columns four at a time; sums over tokens are
 * taken in float32 over groups of tokens first, so that their error does not grow with the number of tokens.
 */
import { sigmoid4, tanh4 } from './elementary';
import { sumLanes } from './simd';

/** Tokens whose gradients of b and α are summed before they are added to the total. */
const GROUP: i32 = 64;

// @ts-ignore: a decorator of AssemblyScript
@inline
function loadUpTo4(at: usize, count: i32): v128 {
  if (count >= 4) return v128.load(at);
  let out = v128.load32_zero(at);
  if (count > 1) out = v128.load_lane<f32>(at, out, 1, 4);
  if (count > 2) out = v128.load_lane<f32>(at, out, 2, 8);
  return out;
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function storeUpTo4(at: usize, value: v128, count: i32): void {
  if (count >= 4) {
    v128.store(at, value);
    return;
  }
  store<f32>(at, f32x4.extract_lane(value, 0));
  if (count > 1) store<f32>(at + 4, f32x4.extract_lane(value, 1));
  if (count > 2) store<f32>(at + 8, f32x4.extract_lane(value, 2));
}

/** mHC. @param p [T, n² + 2n] @param s [T] @param alpha [3] @param b [n² + 2n] */
export function manifoldMaps(
  p: usize,
  s: usize,
  alpha: usize,
  b: usize,
  pre: usize,
  post: usize,
  res: usize,
  tokens: i32,
  n: i32,
  epsilon: f32,
): void {
  for (let t = 0; t < tokens; t++) {
    let bias = b;
    for (let part = 0; part < 3; part++) {
      const length = part == 2 ? n * n : n;
      const scale = f32x4.splat(load<f32>(alpha + (<usize>part << 2)) * load<f32>(s));
      let to = part == 0 ? pre : part == 1 ? post : res;
      for (let c = 0; c < length; c += 4) {
        const count = length - c;
        let h = f32x4.add(f32x4.mul(scale, loadUpTo4(p, count)), loadUpTo4(bias, count));
        if (part == 0) h = f32x4.add(sigmoid4(h), f32x4.splat(epsilon));
        else if (part == 1) h = f32x4.mul(f32x4.splat(2), sigmoid4(h));
        storeUpTo4(to, h, count);
        const step = <usize>min(4, count) << 2;
        p += step;
        bias += step;
        to += step;
      }
    }
    s += 4;
    pre += <usize>n << 2;
    post += <usize>n << 2;
    res += <usize>(n * n) << 2;
  }
}

/** @param scratch of (n² + 2n) floats and 3, rounded up to whole vectors */
export function manifoldMapsGradient(
  p: usize,
  s: usize,
  alpha: usize,
  b: usize,
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
  const width = <usize>(n * n + 2 * n) << 2;
  const alphaSums = scratch + width;
  memory.fill(scratch, 0, width + 12);
  memory.fill(db, 0, width);
  memory.fill(dAlpha, 0, 12);
  for (let t = 0; t < tokens; t++) {
    const scale = load<f32>(s);
    let bias = b;
    let sums = scratch;
    let scaleSum: f32 = 0;
    for (let part = 0; part < 3; part++) {
      const length = part == 2 ? n * n : n;
      const a = load<f32>(alpha + (<usize>part << 2));
      const factor = f32x4.splat(a * scale);
      let from = part == 0 ? dPre : part == 1 ? dPost : dRes;
      let inner = f32x4.splat(0);
      for (let c = 0; c < length; c += 4) {
        const count = length - c;
        const value = loadUpTo4(p, count);
        let dh = loadUpTo4(from, count);
        if (part < 2) {
          const y = sigmoid4(f32x4.add(f32x4.mul(factor, value), loadUpTo4(bias, count)));
          dh = f32x4.mul(dh, f32x4.mul(y, f32x4.sub(f32x4.splat(1), y)));
          if (part == 1) dh = f32x4.mul(dh, f32x4.splat(2));
        }
        storeUpTo4(dp, f32x4.mul(dh, factor), count);
        storeUpTo4(sums, f32x4.add(loadUpTo4(sums, count), dh), count);
        inner = f32x4.add(inner, f32x4.mul(dh, value));
        const step = <usize>min(4, count) << 2;
        p += step;
        dp += step;
        bias += step;
        from += step;
        sums += step;
      }
      const total = sumLanes(inner);
      scaleSum += a * total;
      const at = alphaSums + (<usize>part << 2);
      store<f32>(at, load<f32>(at) + scale * total);
    }
    store<f32>(ds, scaleSum);
    s += 4;
    ds += 4;
    dPre += <usize>n << 2;
    dPost += <usize>n << 2;
    dRes += <usize>(n * n) << 2;
    if ((t + 1) % GROUP == 0 || t + 1 == tokens) flush(scratch, width, db, dAlpha);
  }
}

/** Adds the sums of a group, [width] and the three of α behind them, to the totals, and begins anew. */
function flush(sums: usize, width: usize, db: usize, dAlpha: usize): void {
  for (let c: usize = 0; c < width; c += 4) store<f32>(db + c, load<f32>(db + c) + load<f32>(sums + c));
  for (let c: usize = 0; c < 12; c += 4) store<f32>(dAlpha + c, load<f32>(dAlpha + c) + load<f32>(sums + width + c));
  memory.fill(sums, 0, width + 12);
}

/** HC. @param p [T, n, n + 2] @param s [T, n] @param alpha [3] @param b [n + 2, n] */
export function hyperMaps(
  p: usize,
  s: usize,
  alpha: usize,
  b: usize,
  pre: usize,
  post: usize,
  res: usize,
  tokens: i32,
  n: i32,
): void {
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

/** @param scratch of (n + 2) n floats and 3 */
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
  memory.fill(scratch, 0, width + 12);
  memory.fill(db, 0, width);
  memory.fill(dAlpha, 0, 12);
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
