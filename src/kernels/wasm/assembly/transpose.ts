/**
 * Axes in another order, for values of 4 bytes: AssemblyScript. Rows that stay rows are copied whole; two axes that change
 * places go in squares of 4 × 4.
 */

/** @param nI sizes of the six axes of `out`, 1 for those that it lacks  @param sI how far apart in `x` its elements lie, in values */
export function transpose(
  x: usize,
  out: usize,
  n0: i32,
  n1: i32,
  n2: i32,
  n3: i32,
  n4: i32,
  n5: i32,
  s0: i32,
  s1: i32,
  s2: i32,
  s3: i32,
  s4: i32,
  s5: i32,
): void {
  const plane = (<usize>n4 * n5) << 2;
  for (let i0 = 0; i0 < n0; i0++) {
    for (let i1 = 0; i1 < n1; i1++) {
      for (let i2 = 0; i2 < n2; i2++) {
        for (let i3 = 0; i3 < n3; i3++) {
          const from = x + ((<usize>i0 * s0 + <usize>i1 * s1 + <usize>i2 * s2 + <usize>i3 * s3) << 2);
          if (s5 == 1) copyRows(from, out, n4, n5, <usize>s4 << 2);
          else transposePlane(from, out, n4, n5, <usize>s4 << 2, <usize>s5 << 2);
          out += plane;
        }
      }
    }
  }
}

function copyRows(from: usize, out: usize, rows: i32, columns: i32, stride: usize): void {
  const bytes = <usize>columns << 2;
  const whole = bytes & ~15;
  for (let i = 0; i < rows; i++) {
    for (let at: usize = 0; at < whole; at += 16) v128.store(out + at, v128.load(from + at));
    for (let at = whole; at < bytes; at += 4) store<u32>(out + at, load<u32>(from + at));
    from += stride;
    out += bytes;
  }
}

/** out[i, j] = from[i · strideI + j · strideJ] */
function transposePlane(from: usize, out: usize, rows: i32, columns: i32, strideI: usize, strideJ: usize): void {
  const step = <usize>columns << 2;
  const wholeI = strideI == 4 ? rows & ~3 : 0;
  const wholeJ = columns & ~3;
  for (let i = 0; i < wholeI; i += 4) {
    let source = from + i * strideI;
    let to = out + i * step;
    for (let j = 0; j < wholeJ; j += 4) {
      const r0 = v128.load(source);
      const r1 = v128.load(source + strideJ);
      const r2 = v128.load(source + 2 * strideJ);
      const r3 = v128.load(source + 3 * strideJ);
      const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
      const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
      const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
      v128.store(to + step, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
      v128.store(to + 2 * step, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
      v128.store(to + 3 * step, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
      source += 4 * strideJ;
      to += 16;
    }
  }
  // What is left of each row: its end, or all of it.
  for (let i = 0; i < rows; i++) {
    for (let j = i < wholeI ? wholeJ : 0; j < columns; j++) {
      store<u32>(out + i * step + (<usize>j << 2), load<u32>(from + i * strideI + j * strideJ));
    }
  }
}
