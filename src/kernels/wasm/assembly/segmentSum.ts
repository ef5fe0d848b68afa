/** Rows added up by the segment that each belongs to: AssemblyScript. In the order of the rows, so deterministic. */

/**
 * @param x [rows, size] float32  @param ids int32 [rows]; a row whose id is not in 0 … segments − 1 is left out
 * @param out [segments, size], overwritten
 */
export function segmentSum(x: usize, ids: usize, out: usize, rows: i32, size: i32, segments: i32): void {
  const bytes = <usize>size << 2;
  const whole = bytes & ~15;
  memory.fill(out, 0, segments * bytes);
  for (let i = 0; i < rows; i++) {
    const id = load<i32>(ids + (<usize>i << 2));
    if (<u32>id >= <u32>segments) continue;
    const from = x + i * bytes;
    const to = out + id * bytes;
    for (let at: usize = 0; at < whole; at += 16) v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(from + at)));
    for (let at = whole; at < bytes; at += 4) store<f32>(to + at, load<f32>(to + at) + load<f32>(from + at));
  }
}
