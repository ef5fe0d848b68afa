/**
 * x W and the inverse RMS of each row of x in one pass: AssemblyScript. Four rows of x against panels of 8
 * columns of W, so that x is read once from memory; W is repacked into panels at the start of each call.
 */
import { packColumns } from './pack';
import { sumLanes } from './simd';

/** Floats of a panel's width. */
const NR: i32 = 8;

/** Bytes of scratch for project: W in panels, K · (M rounded up to 8) floats, and a tile of 4 × 8. */
export function projectScratch(k: i32, m: i32): usize {
  return <usize>(k * ((m + NR - 1) / NR) * NR + 4 * NR) << 2;
}

/**
 * @param x [R, K] @param w [K, M] @param p [R, M] @param s [R]
 * @param scratch of projectScratch(k, m) bytes
 */
export function project(x: usize, w: usize, p: usize, s: usize, rows: i32, k: i32, m: i32, epsilon: f32, scratch: usize): void {
  packColumns(w, <usize>m << 2, m, k, scratch, NR);
  const panels = (m + NR - 1) / NR;
  const panelBytes = <usize>(k * NR) << 2;
  const tile = scratch + panels * panelBytes;
  const row = <usize>k << 2;
  for (let r = 0; r < rows; r += 4) {
    const count = min(4, rows - r);
    const x0 = x + r * row;
    // Rows that are not there are the last one again; what comes of them is dropped.
    const x1 = count > 1 ? x0 + row : x0;
    const x2 = count > 2 ? x1 + row : x1;
    const x3 = count > 3 ? x2 + row : x2;
    for (let panel = 0; panel < panels; panel++) {
      tile48(x0, x1, x2, x3, scratch + panel * panelBytes, k, tile);
      const columns = min(NR, m - panel * NR);
      for (let i = 0; i < count; i++) {
        const to = p + ((<usize>(r + i) * m + panel * NR) << 2);
        const from = tile + (<usize>(i * NR) << 2);
        if (columns == NR) {
          v128.store(to, v128.load(from));
          v128.store(to, v128.load(from, 16), 16);
        } else {
          for (let c = 0; c < columns; c++) store<f32>(to + (<usize>c << 2), load<f32>(from + (<usize>c << 2)));
        }
      }
    }
    for (let i = 0; i < count; i++) {
      const mean = squares(x0 + i * row, row) / <f32>k;
      store<f32>(s + (<usize>(r + i) << 2), <f32>1 / sqrt<f32>(mean + epsilon));
    }
  }
}

function squares(x: usize, row: usize): f32 {
  const whole = row & ~31;
  let a = f32x4.splat(0);
  let b = a;
  for (let c: usize = 0; c < whole; c += 32) {
    const left = v128.load(x + c);
    const right = v128.load(x + c, 16);
    a = f32x4.add(a, f32x4.mul(left, left));
    b = f32x4.add(b, f32x4.mul(right, right));
  }
  let sum = sumLanes(f32x4.add(a, b));
  for (let c = whole; c < row; c += 4) sum += load<f32>(x + c) * load<f32>(x + c);
  return sum;
}

/** Four rows by one panel of eight columns; into out [4, 8]. */
function tile48(x0: usize, x1: usize, x2: usize, x3: usize, panel: usize, k: i32, out: usize): void {
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  const end = <usize>k << 2;
  for (let c: usize = 0; c < end; c += 4) {
    const left = v128.load(panel);
    const right = v128.load(panel, 16);
    let value = v128.load_splat<f32>(x0 + c);
    a0 = f32x4.add(a0, f32x4.mul(value, left));
    a1 = f32x4.add(a1, f32x4.mul(value, right));
    value = v128.load_splat<f32>(x1 + c);
    b0 = f32x4.add(b0, f32x4.mul(value, left));
    b1 = f32x4.add(b1, f32x4.mul(value, right));
    value = v128.load_splat<f32>(x2 + c);
    c0 = f32x4.add(c0, f32x4.mul(value, left));
    c1 = f32x4.add(c1, f32x4.mul(value, right));
    value = v128.load_splat<f32>(x3 + c);
    d0 = f32x4.add(d0, f32x4.mul(value, left));
    d1 = f32x4.add(d1, f32x4.mul(value, right));
    panel += 32;
  }
  v128.store(out, a0);
  v128.store(out, a1, 16);
  v128.store(out, b0, 32);
  v128.store(out, b1, 48);
  v128.store(out, c0, 64);
  v128.store(out, c1, 80);
  v128.store(out, d0, 96);
  v128.store(out, d1, 112);
}
