/**
 * Copies a block of a matrix into panels for matMul: AssemblyScript. A panel holds `width` (4 or 8) rows of A, or columns of B,
 * element k of all of them side by side; what is missing from the last one is 0, whose products matMul drops.
 */

/** Panels of the rows of a row-major block [count, k] with rows `ld` bytes apart: each 4 × 4 square is transposed. */
export function packRows(source: usize, ld: usize, count: i32, k: i32, out: usize, width: i32): void {
  const padded = (count + width - 1) & -width;
  const step = <usize>width << 2;
  for (let i = 0; i < padded; i += 4) {
    let to = out + ((<usize>(i & -width) * k) << 2) + (<usize>(i & (width - 1)) << 2);
    let from = source + i * ld;
    let done = 0;
    if (i + 4 <= count) {
      for (; done + 4 <= k; done += 4) {
        const r0 = v128.load(from);
        const r1 = v128.load(from + ld);
        const r2 = v128.load(from + 2 * ld);
        const r3 = v128.load(from + 3 * ld);
        const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
        const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
        const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
        const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
        v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
        v128.store(to + step, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
        v128.store(to + 2 * step, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
        v128.store(to + 3 * step, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
        from += 16;
        to += 4 * step;
      }
    }
    for (; done < k; done++) {
      for (let r = 0; r < 4; r++) store<f32>(to + (<usize>r << 2), i + r < count ? load<f32>(from + r * ld) : 0);
      from += 4;
      to += step;
    }
  }
}

/** Panels of the columns of a row-major block [k, count] with rows `ld` bytes apart: copied as they lie. */
export function packColumns(source: usize, ld: usize, count: i32, k: i32, out: usize, width: i32): void {
  const padded = (count + width - 1) & -width;
  const step = <usize>width << 2;
  for (let i = 0; i < padded; i += width) {
    let to = out + ((<usize>i * k) << 2);
    let from = source + (<usize>i << 2);
    if (i + width > count) {
      for (let done = 0; done < k; done++) {
        for (let r = 0; r < width; r++) store<f32>(to + (<usize>r << 2), i + r < count ? load<f32>(from + (<usize>r << 2)) : 0);
        from += ld;
        to += step;
      }
    } else if (width == 8) {
      for (let done = 0; done < k; done++) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
        from += ld;
        to += 32;
      }
    } else {
      for (let done = 0; done < k; done++) {
        v128.store(to, v128.load(from));
        from += ld;
        to += 16;
      }
    }
  }
}
