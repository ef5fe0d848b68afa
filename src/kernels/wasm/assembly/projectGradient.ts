/**
 * The gradient of project: AssemblyScript. A block of rows goes strip by strip, each as wide as a cache line: rows of a power of two
 * in length lie on the same few lines of the first-level cache and would push each other out. What a strip needs is packed
 * side by side: its part of x, of Wᵀ and of dWᵀ.
 */
import { copyStrip, packWeights, storeStrip, WIDTH } from './strips';

/** Rows of a block. Our choice: its strip of x is 4 KB. */
const BLOCK: i32 = 64;

/** Floats of a strip. Where C is a multiple of it, each strip is of one stream, and `pre` and `du` may be given. */
export function projectGradientStrip(): i32 {
  return WIDTH;
}

/** Bytes of scratch for projectGradient: Wᵀ and dWᵀ in strips, x's strip of a block of rows, and a factor for each row of it. */
export function projectGradientScratch(k: i32, m: i32): usize {
  const strips = (k + WIDTH - 1) / WIDTH;
  return <usize>((2 * strips * WIDTH + BLOCK) * (m + 1) + WIDTH * BLOCK) << 2;
}

/**
 * dx = dx̂ + dp Wᵀ − ds s³ x / K, dW = xᵀ dp.
 * @param x [R, K] @param w [K, M] @param s [R] @param dp [R, M] @param ds [R]
 * @param through dx̂ [R, K] @param dx [R, K] @param dw [K, M]
 * With `pre` and `du`, the gradient of readStreams comes to dx̂ too: pre_j du, for K made up of streams of a multiple of 16 each.
 * @param pre [R, streams] @param du [R, K / streams]; 0 for none
 * @param scratch of projectGradientScratch(k, m) bytes
 */
export function projectGradient(
  x: usize,
  w: usize,
  s: usize,
  dp: usize,
  ds: usize,
  through: usize,
  dx: usize,
  dw: usize,
  rows: i32,
  k: i32,
  m: i32,
  scratch: usize,
  pre: usize,
  du: usize,
  streams: i32,
): void {
  const channels = k / streams;
  const strips = (k + WIDTH - 1) / WIDTH;
  const stripBytes = (<usize>WIDTH * (m + 1)) << 2;
  const sums = scratch + strips * stripBytes;
  const strip = sums + strips * stripBytes;
  const factors = strip + ((<usize>WIDTH * BLOCK) << 2);
  packWeights(w, k, m, scratch, stripBytes);
  memory.fill(sums, 0, strips * stripBytes);
  const row = <usize>k << 2;
  for (let block = 0; block < rows; block += BLOCK) {
    const height = min(BLOCK, rows - block);
    const at = block * row;
    const p = dp + ((<usize>block * m) << 2);
    for (let r = 0; r < height; r++) {
      const inverse = load<f32>(s + (<usize>(block + r) << 2));
      store<f32>(factors + (<usize>r << 2), (load<f32>(ds + (<usize>(block + r) << 2)) * inverse * inverse * inverse) / <f32>k);
    }
    for (let i = 0; i < strips; i++) {
      const from = at + ((<usize>i * WIDTH) << 2);
      const width = min(WIDTH, k - i * WIDTH);
      copyStrip(x + from, row, height, width, strip);
      for (let j = 0; j < m; j += 2) addOuter(strip, p, m, j, height, sums + i * stripBytes);
      const weights = scratch + i * stripBytes;
      const stream = (i * WIDTH) / channels;
      const share = pre + (<usize>(block * streams + stream) << 2);
      const read = du == 0 ? du : du + (<usize>(block * channels + i * WIDTH - stream * channels) << 2);
      for (let r = 0; r < height; r += 2) {
        const next = r + 1 < height ? 1 : 0;
        if (width == WIDTH) rowsGradient(strip, p, m, factors, weights, through + from, dx + from, row, r, next, share, streams, read, channels);
        else for (let l = r; l <= r + next; l++) rowGradientPart(strip, p, m, factors, weights, through + from, dx + from, row, l, width);
      }
    }
  }
  for (let c = 0; c < k; c++) {
    const from = sums + (c / WIDTH) * stripBytes + (<usize>(c % WIDTH) << 2);
    for (let j = 0; j < m; j++) store<f32>(dw + ((<usize>c * m + j) << 2), load<f32>(from + ((<usize>j * WIDTH) << 2)));
  }
}

/** Rows j and j + 1 of a strip of dWᵀ: Σ over the block's rows. Where M is odd, the row beyond it takes what is not wanted. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function addOuter(strip: usize, p: usize, m: i32, j: i32, height: i32, sums: usize): void {
  const out = sums + ((<usize>j * WIDTH) << 2);
  let a0 = v128.load(out);
  let a1 = v128.load(out, 16);
  let a2 = v128.load(out, 32);
  let a3 = v128.load(out, 48);
  let b0 = v128.load(out, 64);
  let b1 = v128.load(out, 80);
  let b2 = v128.load(out, 96);
  let b3 = v128.load(out, 112);
  let left = p + (<usize>j << 2);
  let right = left + (j + 1 < m ? 4 : 0);
  const end = strip + ((<usize>height * WIDTH) << 2);
  while (strip < end) {
    const a = v128.load_splat<f32>(left);
    const b = v128.load_splat<f32>(right);
    let value = v128.load(strip);
    a0 = f32x4.add(a0, f32x4.mul(a, value));
    b0 = f32x4.add(b0, f32x4.mul(b, value));
    value = v128.load(strip, 16);
    a1 = f32x4.add(a1, f32x4.mul(a, value));
    b1 = f32x4.add(b1, f32x4.mul(b, value));
    value = v128.load(strip, 32);
    a2 = f32x4.add(a2, f32x4.mul(a, value));
    b2 = f32x4.add(b2, f32x4.mul(b, value));
    value = v128.load(strip, 48);
    a3 = f32x4.add(a3, f32x4.mul(a, value));
    b3 = f32x4.add(b3, f32x4.mul(b, value));
    left += <usize>m << 2;
    right += <usize>m << 2;
    strip += WIDTH << 2;
  }
  storeStrip(out, a0, a1, a2, a3);
  v128.store(out, b0, 64);
  v128.store(out, b1, 80);
  v128.store(out, b2, 96);
  v128.store(out, b3, 112);
}

/** A strip of dx of row r and of the one after it; `next` 0: there is none, and the r-th is written again. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function rowsGradient(
  strip: usize,
  p: usize,
  m: i32,
  factors: usize,
  weights: usize,
  through: usize,
  dx: usize,
  row: usize,
  r: i32,
  next: i32,
  pre: usize,
  streams: i32,
  du: usize,
  channels: i32,
): void {
  const x0 = strip + ((<usize>r * WIDTH) << 2);
  const x1 = x0 + ((<usize>next * WIDTH) << 2);
  const at0 = r * row;
  const at1 = at0 + next * row;
  const f0 = v128.load_splat<f32>(factors + (<usize>r << 2));
  const f1 = v128.load_splat<f32>(factors + (<usize>(r + next) << 2));
  let a0 = f32x4.sub(v128.load(through + at0), f32x4.mul(f0, v128.load(x0)));
  let a1 = f32x4.sub(v128.load(through + at0, 16), f32x4.mul(f0, v128.load(x0, 16)));
  let a2 = f32x4.sub(v128.load(through + at0, 32), f32x4.mul(f0, v128.load(x0, 32)));
  let a3 = f32x4.sub(v128.load(through + at0, 48), f32x4.mul(f0, v128.load(x0, 48)));
  let b0 = f32x4.sub(v128.load(through + at1), f32x4.mul(f1, v128.load(x1)));
  let b1 = f32x4.sub(v128.load(through + at1, 16), f32x4.mul(f1, v128.load(x1, 16)));
  let b2 = f32x4.sub(v128.load(through + at1, 32), f32x4.mul(f1, v128.load(x1, 32)));
  let b3 = f32x4.sub(v128.load(through + at1, 48), f32x4.mul(f1, v128.load(x1, 48)));
  if (du != 0) {
    const h0 = v128.load_splat<f32>(pre + (<usize>(r * streams) << 2));
    const h1 = v128.load_splat<f32>(pre + (<usize>((r + next) * streams) << 2));
    const u0 = du + (<usize>(r * channels) << 2);
    const u1 = du + (<usize>((r + next) * channels) << 2);
    a0 = f32x4.add(a0, f32x4.mul(h0, v128.load(u0)));
    a1 = f32x4.add(a1, f32x4.mul(h0, v128.load(u0, 16)));
    a2 = f32x4.add(a2, f32x4.mul(h0, v128.load(u0, 32)));
    a3 = f32x4.add(a3, f32x4.mul(h0, v128.load(u0, 48)));
    b0 = f32x4.add(b0, f32x4.mul(h1, v128.load(u1)));
    b1 = f32x4.add(b1, f32x4.mul(h1, v128.load(u1, 16)));
    b2 = f32x4.add(b2, f32x4.mul(h1, v128.load(u1, 32)));
    b3 = f32x4.add(b3, f32x4.mul(h1, v128.load(u1, 48)));
  }
  let p0 = p + ((<usize>r * m) << 2);
  const step = (<usize>next * m) << 2;
  const end = p0 + (<usize>m << 2);
  while (p0 < end) {
    const a = v128.load_splat<f32>(p0);
    const b = v128.load_splat<f32>(p0 + step);
    let value = v128.load(weights);
    a0 = f32x4.add(a0, f32x4.mul(a, value));
    b0 = f32x4.add(b0, f32x4.mul(b, value));
    value = v128.load(weights, 16);
    a1 = f32x4.add(a1, f32x4.mul(a, value));
    b1 = f32x4.add(b1, f32x4.mul(b, value));
    value = v128.load(weights, 32);
    a2 = f32x4.add(a2, f32x4.mul(a, value));
    b2 = f32x4.add(b2, f32x4.mul(b, value));
    value = v128.load(weights, 48);
    a3 = f32x4.add(a3, f32x4.mul(a, value));
    b3 = f32x4.add(b3, f32x4.mul(b, value));
    p0 += 4;
    weights += WIDTH << 2;
  }
  storeStrip(dx + at0, a0, a1, a2, a3);
  storeStrip(dx + at1, b0, b1, b2, b3);
}

/** The same of one row where the last strip is narrower. */
function rowGradientPart(
  strip: usize,
  p: usize,
  m: i32,
  factors: usize,
  weights: usize,
  through: usize,
  dx: usize,
  row: usize,
  r: i32,
  width: i32,
): void {
  const factor = load<f32>(factors + (<usize>r << 2));
  for (let c = 0; c < width; c++) {
    const byte = <usize>c << 2;
    let sum = load<f32>(through + r * row + byte) - factor * load<f32>(strip + ((<usize>r * WIDTH) << 2) + byte);
    for (let j = 0; j < m; j++) {
      sum += load<f32>(p + ((<usize>r * m + j) << 2)) * load<f32>(weights + ((<usize>j * WIDTH) << 2) + byte);
    }
    store<f32>(dx + r * row + byte, sum);
  }
}
