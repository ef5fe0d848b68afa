/** What an optimizer does to every parameter: AdamW's update, and the sum of squares for clipping: AssemblyScript. */

/**
 * One update of `count` floats: m = β₁ m + (1 − β₁) g, v = β₂ v + (1 − β₂) g², p = keep p − rate m / (√(v · inverse) + ε),
 * with g the gradient times what `scale` points to.
 * @param rate learning rate / correction of m  @param inverse 1 / correction of v  @param keep 1 − learning rate · decay
 */
export function adamW(
  parameter: usize,
  first: usize,
  second: usize,
  gradient: usize,
  scale: usize,
  outParameter: usize,
  outFirst: usize,
  outSecond: usize,
  count: i32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  rate: f32,
  inverse: f32,
  epsilon: f32,
  keep: f32,
): void {
  const bytes = <usize>count << 2;
  const whole = bytes & ~15;
  const factor = load<f32>(scale);
  for (let at: usize = 0; at < whole; at += 16) {
    const g = f32x4.mul(v128.load(gradient + at), f32x4.splat(factor));
    const m = f32x4.add(f32x4.mul(v128.load(first + at), f32x4.splat(beta1)), f32x4.mul(g, f32x4.splat(rest1)));
    const v = f32x4.add(f32x4.mul(v128.load(second + at), f32x4.splat(beta2)), f32x4.mul(f32x4.mul(g, g), f32x4.splat(rest2)));
    const denominator = f32x4.add(f32x4.sqrt(f32x4.mul(v, f32x4.splat(inverse))), f32x4.splat(epsilon));
    const move = f32x4.div(f32x4.mul(m, f32x4.splat(rate)), denominator);
    v128.store(outFirst + at, m);
    v128.store(outSecond + at, v);
    v128.store(outParameter + at, f32x4.sub(f32x4.mul(v128.load(parameter + at), f32x4.splat(keep)), move));
  }
  for (let at = whole; at < bytes; at += 4) {
    const g = load<f32>(gradient + at) * factor;
    const m = load<f32>(first + at) * beta1 + g * rest1;
    const v = load<f32>(second + at) * beta2 + g * g * rest2;
    store<f32>(outFirst + at, m);
    store<f32>(outSecond + at, v);
    store<f32>(outParameter + at, load<f32>(parameter + at) * keep - (m * rate) / (Mathf.sqrt(v * inverse) + epsilon));
  }
}

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
