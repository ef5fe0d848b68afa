/**
 * K4 and K5, H_pre x and H_res x + H_postᵀ F, and their gradients: AssemblyScript. One token after the other, whose streams stay
 * in the first-level cache; n = 4 has loops of its own, other n go stream by stream. Rows may have any length.
 */
import { sumLanes } from './simd';

/** @param pre [T, n] @param x [T, n, C] @param u [T, C], overwritten */
export function readStreams(pre: usize, x: usize, u: usize, tokens: i32, n: i32, channels: i32): void {
  const row = <usize>channels << 2;
  const whole = row & ~15;
  for (let t = 0; t < tokens; t++) {
    if (n == 4) {
      const h0 = v128.load_splat<f32>(pre);
      const h1 = v128.load_splat<f32>(pre, 4);
      const h2 = v128.load_splat<f32>(pre, 8);
      const h3 = v128.load_splat<f32>(pre, 12);
      const x1 = x + row;
      const x2 = x1 + row;
      const x3 = x2 + row;
      for (let c: usize = 0; c < whole; c += 16) {
        const left = f32x4.add(f32x4.mul(h0, v128.load(x + c)), f32x4.mul(h1, v128.load(x1 + c)));
        const right = f32x4.add(f32x4.mul(h2, v128.load(x2 + c)), f32x4.mul(h3, v128.load(x3 + c)));
        v128.store(u + c, f32x4.add(left, right));
      }
      for (let c = whole; c < row; c += 4) {
        const left = load<f32>(pre) * load<f32>(x + c) + load<f32>(pre, 4) * load<f32>(x1 + c);
        store<f32>(u + c, left + (load<f32>(pre, 8) * load<f32>(x2 + c) + load<f32>(pre, 12) * load<f32>(x3 + c)));
      }
    } else {
      combine(pre, 4, x, row, n, u, row, false);
    }
    pre += <usize>n << 2;
    x += n * row;
    u += row;
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

/** @param res [T, n, n] @param x [T, n, C] @param post [T, n] @param branch [T, C] @param out [T, n, C] */
export function writeStreams(res: usize, x: usize, post: usize, branch: usize, out: usize, tokens: i32, n: i32, channels: i32): void {
  const row = <usize>channels << 2;
  for (let t = 0; t < tokens; t++) {
    if (n == 4) {
      writeTwo(res, x, post, branch, out, row);
      writeTwo(res + 32, x, post + 8, branch, out + 2 * row, row);
    } else {
      for (let i = 0; i < n; i++) {
        combine(res + (<usize>(i * n) << 2), 4, x, row, n, out + i * row, row, false);
        combine(post + (<usize>i << 2), 4, branch, row, 1, out + i * row, row, true);
      }
    }
    res += <usize>(n * n) << 2;
    x += n * row;
    post += <usize>n << 2;
    branch += row;
    out += n * row;
  }
}

/** Two rows of out for n = 4: ten coefficients in registers. */
function writeTwo(res: usize, x: usize, post: usize, branch: usize, out: usize, row: usize): void {
  const whole = row & ~15;
  const x1 = x + row;
  const x2 = x1 + row;
  const x3 = x2 + row;
  const a0 = v128.load_splat<f32>(res);
  const a1 = v128.load_splat<f32>(res, 4);
  const a2 = v128.load_splat<f32>(res, 8);
  const a3 = v128.load_splat<f32>(res, 12);
  const b0 = v128.load_splat<f32>(res, 16);
  const b1 = v128.load_splat<f32>(res, 20);
  const b2 = v128.load_splat<f32>(res, 24);
  const b3 = v128.load_splat<f32>(res, 28);
  const ap = v128.load_splat<f32>(post);
  const bp = v128.load_splat<f32>(post, 4);
  for (let c: usize = 0; c < whole; c += 16) {
    let value = v128.load(branch + c);
    let a = f32x4.mul(ap, value);
    let b = f32x4.mul(bp, value);
    value = v128.load(x + c);
    a = f32x4.add(a, f32x4.mul(a0, value));
    b = f32x4.add(b, f32x4.mul(b0, value));
    value = v128.load(x1 + c);
    a = f32x4.add(a, f32x4.mul(a1, value));
    b = f32x4.add(b, f32x4.mul(b1, value));
    value = v128.load(x2 + c);
    a = f32x4.add(a, f32x4.mul(a2, value));
    b = f32x4.add(b, f32x4.mul(b2, value));
    value = v128.load(x3 + c);
    v128.store(out + c, f32x4.add(a, f32x4.mul(a3, value)));
    v128.store(out + row + c, f32x4.add(b, f32x4.mul(b3, value)));
  }
  for (let c = whole; c < row; c += 4) {
    for (let i: usize = 0; i < 2; i++) {
      const h = res + (i << 4);
      let sum = load<f32>(post + (i << 2)) * load<f32>(branch + c);
      sum += load<f32>(h) * load<f32>(x + c);
      sum += load<f32>(h, 4) * load<f32>(x1 + c);
      sum += load<f32>(h, 8) * load<f32>(x2 + c);
      sum += load<f32>(h, 12) * load<f32>(x3 + c);
      store<f32>(out + i * row + c, sum);
    }
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
    if (n == 4) {
      dotsOfTwo(dOut, x, branch, dRes, dPost, row);
      dotsOfTwo(dOut + 2 * row, x, branch, dRes + 32, dPost + 8, row);
      columnsOfFour(res, post, dOut, dx, dBranch, row);
    } else {
      for (let i = 0; i < n; i++) {
        const d = dOut + i * row;
        store<f32>(dPost + (<usize>i << 2), dot(d, branch, row));
        for (let j = 0; j < n; j++) store<f32>(dRes + (<usize>(i * n + j) << 2), dot(d, x + j * row, row));
      }
      for (let j = 0; j < n; j++) combine(res + (<usize>j << 2), <usize>n << 2, dOut, row, n, dx + j * row, row, false);
      combine(post, 4, dOut, row, n, dBranch, row, false);
    }
    res += <usize>(n * n) << 2;
    dRes += <usize>(n * n) << 2;
    x += n * row;
    dx += n * row;
    dOut += n * row;
    post += <usize>n << 2;
    dPost += <usize>n << 2;
    branch += row;
    dBranch += row;
  }
}

/** Two rows of dRes and dPost for n = 4: ten sums in registers. */
function dotsOfTwo(d: usize, x: usize, branch: usize, dRes: usize, dPost: usize, row: usize): void {
  const whole = row & ~15;
  const x1 = x + row;
  const x2 = x1 + row;
  const x3 = x2 + row;
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let ap = a0;
  let b0 = a0;
  let b1 = a0;
  let b2 = a0;
  let b3 = a0;
  let bp = a0;
  for (let c: usize = 0; c < whole; c += 16) {
    const a = v128.load(d + c);
    const b = v128.load(d + row + c);
    let value = v128.load(x + c);
    a0 = f32x4.add(a0, f32x4.mul(a, value));
    b0 = f32x4.add(b0, f32x4.mul(b, value));
    value = v128.load(x1 + c);
    a1 = f32x4.add(a1, f32x4.mul(a, value));
    b1 = f32x4.add(b1, f32x4.mul(b, value));
    value = v128.load(x2 + c);
    a2 = f32x4.add(a2, f32x4.mul(a, value));
    b2 = f32x4.add(b2, f32x4.mul(b, value));
    value = v128.load(x3 + c);
    a3 = f32x4.add(a3, f32x4.mul(a, value));
    b3 = f32x4.add(b3, f32x4.mul(b, value));
    value = v128.load(branch + c);
    ap = f32x4.add(ap, f32x4.mul(a, value));
    bp = f32x4.add(bp, f32x4.mul(b, value));
  }
  finish(dRes, a0, d, x, whole, row);
  finish(dRes + 4, a1, d, x1, whole, row);
  finish(dRes + 8, a2, d, x2, whole, row);
  finish(dRes + 12, a3, d, x3, whole, row);
  finish(dRes + 16, b0, d + row, x, whole, row);
  finish(dRes + 20, b1, d + row, x1, whole, row);
  finish(dRes + 24, b2, d + row, x2, whole, row);
  finish(dRes + 28, b3, d + row, x3, whole, row);
  finish(dPost, ap, d, branch, whole, row);
  finish(dPost + 4, bp, d + row, branch, whole, row);
}

/** A dot product from its four part sums and what is left of the rows. */
function finish(out: usize, sums: v128, a: usize, b: usize, whole: usize, row: usize): void {
  let sum = sumLanes(sums);
  for (let c = whole; c < row; c += 4) sum += load<f32>(a + c) * load<f32>(b + c);
  store<f32>(out, sum);
}

/** dx and dBranch for n = 4, two and two rows and one at a time. */
function columnsOfFour(res: usize, post: usize, d: usize, dx: usize, dBranch: usize, row: usize): void {
  for (let j: usize = 0; j < 4; j += 2) {
    const a0 = v128.load_splat<f32>(res + (j << 2));
    const a1 = v128.load_splat<f32>(res + (j << 2), 16);
    const a2 = v128.load_splat<f32>(res + (j << 2), 32);
    const a3 = v128.load_splat<f32>(res + (j << 2), 48);
    const b0 = v128.load_splat<f32>(res + (j << 2), 4);
    const b1 = v128.load_splat<f32>(res + (j << 2), 20);
    const b2 = v128.load_splat<f32>(res + (j << 2), 36);
    const b3 = v128.load_splat<f32>(res + (j << 2), 52);
    const whole = row & ~15;
    const out = dx + j * row;
    const d1 = d + row;
    const d2 = d1 + row;
    const d3 = d2 + row;
    for (let c: usize = 0; c < whole; c += 16) {
      let value = v128.load(d + c);
      let a = f32x4.mul(a0, value);
      let b = f32x4.mul(b0, value);
      value = v128.load(d1 + c);
      a = f32x4.add(a, f32x4.mul(a1, value));
      b = f32x4.add(b, f32x4.mul(b1, value));
      value = v128.load(d2 + c);
      a = f32x4.add(a, f32x4.mul(a2, value));
      b = f32x4.add(b, f32x4.mul(b2, value));
      value = v128.load(d3 + c);
      v128.store(out + c, f32x4.add(a, f32x4.mul(a3, value)));
      v128.store(out + row + c, f32x4.add(b, f32x4.mul(b3, value)));
    }
    for (let c = whole; c < row; c += 4) {
      for (let k: usize = 0; k < 2; k++) {
        const h = res + ((j + k) << 2);
        let sum = load<f32>(h) * load<f32>(d + c);
        sum += load<f32>(h, 16) * load<f32>(d1 + c);
        sum += load<f32>(h, 32) * load<f32>(d2 + c);
        sum += load<f32>(h, 48) * load<f32>(d3 + c);
        store<f32>(out + k * row + c, sum);
      }
    }
  }
  readStreams(post, d, dBranch, 1, 4, <i32>(row >> 2));
}

/** out = (add ? out : 0) + Σ_k h_k rows_k, where h_k lie `stride` bytes apart and rows `row` bytes. */
function combine(h: usize, stride: usize, rows: usize, row: usize, count: i32, out: usize, bytes: usize, add: bool): void {
  const whole = bytes & ~15;
  for (let c: usize = 0; c < bytes; c += c < whole ? 16 : 4) {
    const wide = c < whole;
    let sums = wide && add ? v128.load(out + c) : f32x4.splat(0);
    let sum: f32 = add && !wide ? load<f32>(out + c) : 0;
    let from = rows + c;
    let weight = h;
    for (let k = 0; k < count; k++) {
      if (wide) sums = f32x4.add(sums, f32x4.mul(v128.load_splat<f32>(weight), v128.load(from)));
      else sum += load<f32>(weight) * load<f32>(from);
      from += row;
      weight += stride;
    }
    if (wide) v128.store(out + c, sums);
    else store<f32>(out + c, sum);
  }
}

function dot(a: usize, b: usize, row: usize): f32 {
  const whole = row & ~15;
  let sums = f32x4.splat(0);
  for (let c: usize = 0; c < whole; c += 16) sums = f32x4.add(sums, f32x4.mul(v128.load(a + c), v128.load(b + c)));
  let sum = sumLanes(sums);
  for (let c = whole; c < row; c += 4) sum += load<f32>(a + c) * load<f32>(b + c);
  return sum;
}
