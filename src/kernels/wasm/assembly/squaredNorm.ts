/** Σ x² of one tensor, which the caller adds up over several: AssemblyScript. */

/** For a result that the caller has summed. */
export function storeFloat(to: usize, value: f64): void {
  store<f32>(to, <f32>value);
}

/** Σ x² of `count` floats, in float64. */
export function squaredNorm(x: usize, count: i32): f64 {
  const end = x + (<usize>count << 2);
  const whole = x + (<usize>(count & ~3) << 2);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  for (; x < whole; x += 16) {
    const v = v128.load(x);
    const a = f64x2.promote_low_f32x4(v);
    const b = f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 0, 1));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  const both = f64x2.add(low, high);
  let sum = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
  for (; x < end; x += 4) {
    const v = <f64>load<f32>(x);
    sum += v * v;
  }
  return sum;
}
