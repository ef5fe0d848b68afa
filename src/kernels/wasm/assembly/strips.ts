/** Parts of a matrix as wide as a cache line, side by side, for projectGradient: AssemblyScript. */

/** Floats of a strip: a cache line of 64 bytes. */
export const WIDTH: i32 = 16;

/** Wᵀ in strips: [strip, M + 1, WIDTH], 0 beyond K. */
export function packWeights(w: usize, k: i32, m: i32, out: usize, stripBytes: usize): void {
  memory.fill(out, 0, ((k + WIDTH - 1) / WIDTH) * stripBytes);
  for (let c = 0; c < k; c++) {
    const to = out + (c / WIDTH) * stripBytes + (<usize>(c % WIDTH) << 2);
    for (let j = 0; j < m; j++) store<f32>(to + ((<usize>j * WIDTH) << 2), load<f32>(w + ((<usize>c * m + j) << 2)));
  }
}

/** [height, WIDTH] side by side, 0 beyond the width. */
export function copyStrip(from: usize, row: usize, height: i32, width: i32, out: usize): void {
  for (let r = 0; r < height; r++) {
    if (width == WIDTH) {
      v128.store(out, v128.load(from));
      v128.store(out, v128.load(from, 16), 16);
      v128.store(out, v128.load(from, 32), 32);
      v128.store(out, v128.load(from, 48), 48);
    } else {
      memory.fill(out, 0, WIDTH << 2);
      memory.copy(out, from, <usize>width << 2);
    }
    from += row;
    out += WIDTH << 2;
  }
}

/** One row of a strip from its four vectors. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function storeStrip(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
}
