/** The gradient of ReLU: AssemblyScript. */

/** dx = dy where y > 0, else 0 */
export function reluGradient(y: usize, dy: usize, dx: usize, count: i32): void {
  const bytes = <usize>count << 2;
  const whole = bytes & ~15;
  const zero = f32x4.splat(0);
  for (let at: usize = 0; at < whole; at += 16) {
    v128.store(dx + at, v128.and(v128.load(dy + at), f32x4.gt(v128.load(y + at), zero)));
  }
  for (let at = whole; at < bytes; at += 4) store<f32>(dx + at, load<f32>(y + at) > 0 ? load<f32>(dy + at) : 0);
}
