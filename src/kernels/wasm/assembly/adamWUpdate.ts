/** One AdamW update of a parameter: AssemblyScript. */

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
