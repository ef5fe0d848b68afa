/** The coefficients of mHC from the projection, and their gradients: AssemblyScript. Columns four at a time. */
import { beginSums, flush, GROUP, loadUpTo4, storeUpTo4 } from './coefficients';
import { sigmoid4 } from './elementary';
import { sumLanes } from './simd';

/** @param p [T, n² + 2n] @param s [T] @param alpha [3] @param b [n² + 2n] */
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

/** Bytes of scratch for manifoldMapsGradient: sums of n² + 2n values and of three, rounded up to a whole vector. */
export function manifoldMapsGradientScratch(n: i32): usize {
  return <usize>(n * n + 2 * n + 4) << 2;
}

/** @param scratch of manifoldMapsGradientScratch(n) bytes */
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
  beginSums(scratch, width, db, dAlpha);
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
