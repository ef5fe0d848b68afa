/**
 * Sums and products of rows of any length: AssemblyScript. Of several rows one, two or four at a time; the streams of a token, which
 * follow one another, stay in the first-level cache meanwhile.
 */
import { sumLanes } from './simd';

/** out = (add ? out : 0) + Σ_k h_k rows_k; the h_k lie `stride` bytes apart, rows are `row` bytes long and follow one another. */
export function combine(h: usize, stride: usize, rows: usize, row: usize, count: i32, out: usize, add: bool): void {
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

/** As combine, of rows that are in the cache: four at a time. */
export function combineNear(h: usize, stride: usize, rows: usize, row: usize, count: i32, out: usize, add: bool): void {
  let k = 0;
  for (; k + 4 <= count; k += 4) {
    addFour(load<f32>(h), load<f32>(h + stride), load<f32>(h + 2 * stride), load<f32>(h + 3 * stride), rows, out, row, add || k > 0);
    rows += 4 * row;
    h += 4 * stride;
  }
  if (k < count) combine(h, stride, rows, row, count - k, out, add || k > 0);
}

/** The same with four rows that follow one another. */
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

/** out = (add ? out : 0) + a x + b y. */
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

/** out = (add ? out : 0) + a x. */
export function addOne(a: f32, x: usize, out: usize, row: usize, add: bool): void {
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

/** ⟨a, b⟩. @param row length of both, in bytes */
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
