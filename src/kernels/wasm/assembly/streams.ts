/**
 * K4 and K5, H_pre x and H_res x + H_postᵀ F, and their gradients: AssemblyScript. One token after the other, whose streams stay
 * in the first-level cache; n = 4 has loops of its own, other n go stream by stream. Rows may have any length.
 */
import { sumLanes } from './simd';

/** @param pre [T, n] @param x [T, n, C] @param u [T, C], overwritten */
export function readStreams(pre: usize, x: usize, u: usize, tokens: i32, n: i32, channels: i32): void {
  const row = <usize>channels << 2;
  for (let t = 0; t < tokens; t += 2) {
    for (let j = 0; j < n; j++) {
      const h = pre + (<usize>j << 2);
      if (t + 1 < tokens) addPair(load<f32>(h), x + j * row, u, load<f32>(h + (<usize>n << 2)), x + (n + j) * row, u + row, row, j > 0);
      else addOne(load<f32>(h), x + j * row, u, row, j > 0);
    }
    pre += <usize>n << 3;
    x += 2 * n * row;
    u += 2 * row;
  }
}

/** @param du [T, C] @param through ∂L/∂x̂ [T, n, C] @param dPre [T, n] @param dx [T, n, C] */
export function readStreamsGradient(
  pre: usize,
  x: usize,
  du: usize,
  through: usize,
  dPre: usize,
  dx: usize,
  tokens: i32,
  n: i32,
  channels: i32,
): void {
  const row = <usize>channels << 2;
  const whole = row & ~15;
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < n; j++) {
      const h = v128.load_splat<f32>(pre);
      let dot = f32x4.splat(0);
      for (let c: usize = 0; c < whole; c += 16) {
        const d = v128.load(du + c);
        dot = f32x4.add(dot, f32x4.mul(d, v128.load(x + c)));
        v128.store(dx + c, f32x4.add(v128.load(through + c), f32x4.mul(h, d)));
      }
      let sum = sumLanes(dot);
      for (let c = whole; c < row; c += 4) {
        sum += load<f32>(du + c) * load<f32>(x + c);
        store<f32>(dx + c, load<f32>(through + c) + load<f32>(pre) * load<f32>(du + c));
      }
      store<f32>(dPre, sum);
      pre += 4;
      dPre += 4;
      x += row;
      through += row;
      dx += row;
    }
    du += row;
  }
}

/** ∂L/∂H_pre alone. @param x [T, n, C] @param du [T, C] @param dPre [T, n] */
export function streamDots(x: usize, du: usize, dPre: usize, tokens: i32, n: i32, channels: i32): void {
  const row = <usize>channels << 2;
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < n; j++) {
      store<f32>(dPre, dot(du, x, row));
      dPre += 4;
      x += row;
    }
    du += row;
  }
}

/** @param res [T, n, n] @param x [T, n, C] @param post [T, n] @param branch [T, C] @param out [T, n, C] */
export function writeStreams(res: usize, x: usize, post: usize, branch: usize, out: usize, tokens: i32, n: i32, channels: i32): void {
  const row = <usize>channels << 2;
  for (let t = 0; t < tokens; t++) {
    for (let i = 0; i < n; i++) {
      addOne(load<f32>(post), branch, out, row, false);
      if (i == 0) combine(res, 4, x, row, n, out, true);
      else combineNear(res, 4, x, row, n, out, true);
      res += <usize>n << 2;
      post += 4;
      out += row;
    }
    x += n * row;
    branch += row;
  }
}

/** @param dOut [T, n, C] @param dRes [T, n, n] @param dx [T, n, C] @param dPost [T, n] @param dBranch [T, C] */
export function writeStreamsGradient(
  res: usize,
  x: usize,
  post: usize,
  branch: usize,
  dOut: usize,
  dRes: usize,
  dx: usize,
  dPost: usize,
  dBranch: usize,
  tokens: i32,
  n: i32,
  channels: i32,
): void {
  const row = <usize>channels << 2;
  for (let t = 0; t < tokens; t++) {
    let d = dOut;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        store<f32>(dRes, dot(d, x + j * row, row));
        dRes += 4;
      }
      store<f32>(dPost, dot(d, branch, row));
      dPost += 4;
      d += row;
    }
    for (let j = 0; j < n; j++) combineNear(res + (<usize>j << 2), <usize>n << 2, dOut, row, n, dx + j * row, false);
    combineNear(post, 4, dOut, row, n, dBranch, false);
    res += <usize>(n * n) << 2;
    post += <usize>n << 2;
    x += n * row;
    dx += n * row;
    dOut += n * row;
    branch += row;
    dBranch += row;
  }
}

/** out = (add ? out : 0) + Σ_k h_k rows_k; the h_k lie `stride` bytes apart, rows are `row` bytes long and follow one another. */
function combine(h: usize, stride: usize, rows: usize, row: usize, count: i32, out: usize, add: bool): void {
  // Two rows at a time, each to its end: that is how caches fetch ahead.
  for (let k = 0; k < count; k += 2) {
    const second = rows + row;
    const h0 = load<f32>(h);
    const h1 = k + 1 < count ? load<f32>(h + stride) : 0;
    if (k + 1 < count) addTwo(h0, rows, h1, second, out, row, add || k > 0);
    else addOne(h0, rows, out, row, add || k > 0);
    rows += 2 * row;
    h += 2 * stride;
  }
}

function addPair(a: f32, x: usize, outX: usize, b: f32, y: usize, outY: usize, row: usize, add: bool): void {
  const whole = row & ~15;
  const a4 = f32x4.splat(a);
  const b4 = f32x4.splat(b);
  if (add) {
    for (let c: usize = 0; c < whole; c += 16) {
      v128.store(outX + c, f32x4.add(v128.load(outX + c), f32x4.mul(a4, v128.load(x + c))));
      v128.store(outY + c, f32x4.add(v128.load(outY + c), f32x4.mul(b4, v128.load(y + c))));
    }
  } else {
    for (let c: usize = 0; c < whole; c += 16) {
      v128.store(outX + c, f32x4.mul(a4, v128.load(x + c)));
      v128.store(outY + c, f32x4.mul(b4, v128.load(y + c)));
    }
  }
  for (let c = whole; c < row; c += 4) {
    store<f32>(outX + c, (add ? load<f32>(outX + c) : 0) + a * load<f32>(x + c));
    store<f32>(outY + c, (add ? load<f32>(outY + c) : 0) + b * load<f32>(y + c));
  }
}

/** As combine, of rows that are in the cache: four at a time. */
function combineNear(h: usize, stride: usize, rows: usize, row: usize, count: i32, out: usize, add: bool): void {
  let k = 0;
  for (; k + 4 <= count; k += 4) {
    addFour(load<f32>(h), load<f32>(h + stride), load<f32>(h + 2 * stride), load<f32>(h + 3 * stride), rows, out, row, add || k > 0);
    rows += 4 * row;
    h += 4 * stride;
  }
  if (k < count) combine(h, stride, rows, row, count - k, out, add || k > 0);
}

function addFour(a: f32, b: f32, c: f32, d: f32, x: usize, out: usize, row: usize, add: bool): void {
  const whole = row & ~15;
  const x1 = x + row;
  const x2 = x1 + row;
  const x3 = x2 + row;
  const a4 = f32x4.splat(a);
  const b4 = f32x4.splat(b);
  const c4 = f32x4.splat(c);
  const d4 = f32x4.splat(d);
  for (let i: usize = 0; i < whole; i += 16) {
    const left = f32x4.add(f32x4.mul(a4, v128.load(x + i)), f32x4.mul(b4, v128.load(x1 + i)));
    const right = f32x4.add(f32x4.mul(c4, v128.load(x2 + i)), f32x4.mul(d4, v128.load(x3 + i)));
    const sum = f32x4.add(left, right);
    v128.store(out + i, add ? f32x4.add(v128.load(out + i), sum) : sum);
  }
  for (let i = whole; i < row; i += 4) {
    const sum = a * load<f32>(x + i) + b * load<f32>(x1 + i) + (c * load<f32>(x2 + i) + d * load<f32>(x3 + i));
    store<f32>(out + i, add ? load<f32>(out + i) + sum : sum);
  }
}

function addTwo(a: f32, x: usize, b: f32, y: usize, out: usize, row: usize, add: bool): void {
  const whole = row & ~15;
  const a4 = f32x4.splat(a);
  const b4 = f32x4.splat(b);
  if (add) {
    for (let c: usize = 0; c < whole; c += 16) {
      const sum = f32x4.add(f32x4.mul(a4, v128.load(x + c)), f32x4.mul(b4, v128.load(y + c)));
      v128.store(out + c, f32x4.add(v128.load(out + c), sum));
    }
  } else {
    for (let c: usize = 0; c < whole; c += 16) {
      v128.store(out + c, f32x4.add(f32x4.mul(a4, v128.load(x + c)), f32x4.mul(b4, v128.load(y + c))));
    }
  }
  for (let c = whole; c < row; c += 4) {
    const sum = a * load<f32>(x + c) + b * load<f32>(y + c);
    store<f32>(out + c, add ? load<f32>(out + c) + sum : sum);
  }
}

function addOne(a: f32, x: usize, out: usize, row: usize, add: bool): void {
  const whole = row & ~15;
  const a4 = f32x4.splat(a);
  for (let c: usize = 0; c < whole; c += 16) {
    const value = f32x4.mul(a4, v128.load(x + c));
    v128.store(out + c, add ? f32x4.add(v128.load(out + c), value) : value);
  }
  for (let c = whole; c < row; c += 4) {
    const value = a * load<f32>(x + c);
    store<f32>(out + c, add ? load<f32>(out + c) + value : value);
  }
}

/** @param row length of both, in bytes */
export function dot(a: usize, b: usize, row: usize): f32 {
  const whole = row & ~31;
  let left = f32x4.splat(0);
  let right = left;
  for (let c: usize = 0; c < whole; c += 32) {
    left = f32x4.add(left, f32x4.mul(v128.load(a + c), v128.load(b + c)));
    right = f32x4.add(right, f32x4.mul(v128.load(a + c, 16), v128.load(b + c, 16)));
  }
  let sum = sumLanes(f32x4.add(left, right));
  for (let c = whole; c < row; c += 4) sum += load<f32>(a + c) * load<f32>(b + c);
  return sum;
}
