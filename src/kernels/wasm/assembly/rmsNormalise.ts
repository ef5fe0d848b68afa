/** RMS normalisation with a gain, and its gradients: AssemblyScript. Rows of `size` floats; the tail of a row goes one by one. */
import { sumLanes } from './simd';

/** y = g x / √(mean x² + ε) for each row. */
export function rmsNormalise(x: usize, gain: usize, y: usize, rows: i32, size: i32, epsilon: f32): void {
  const bytes = <usize>size << 2;
  const whole = bytes & ~15;
  for (let i = 0; i < rows; i++) {
    const inverse = inverseNorm(x, bytes, size, epsilon);
    const scale = f32x4.splat(inverse);
    for (let at: usize = 0; at < whole; at += 16) {
      v128.store(y + at, f32x4.mul(f32x4.mul(v128.load(x + at), scale), v128.load(gain + at)));
    }
    for (let at = whole; at < bytes; at += 4) store<f32>(y + at, load<f32>(x + at) * inverse * load<f32>(gain + at));
    x += bytes;
    y += bytes;
  }
}

/** dx = r (g dy − x r² Σ (g dy x) / size) and dg = Σ over rows of dy x r, with r = 1 / √(mean x² + ε). */
export function rmsNormaliseGradient(x: usize, gain: usize, dy: usize, dx: usize, dGain: usize, rows: i32, size: i32, epsilon: f32): void {
  const bytes = <usize>size << 2;
  const whole = bytes & ~15;
  memory.fill(dGain, 0, bytes);
  for (let i = 0; i < rows; i++) {
    const inverse = inverseNorm(x, bytes, size, epsilon);
    let sum4 = f32x4.splat(0);
    for (let at: usize = 0; at < whole; at += 16) {
      sum4 = f32x4.add(sum4, f32x4.mul(f32x4.mul(v128.load(dy + at), v128.load(gain + at)), v128.load(x + at)));
    }
    let sum = sumLanes(sum4);
    for (let at = whole; at < bytes; at += 4) sum += load<f32>(dy + at) * load<f32>(gain + at) * load<f32>(x + at);
    const back = (sum * inverse * inverse) / <f32>size;
    const inverse4 = f32x4.splat(inverse);
    const back4 = f32x4.splat(back);
    for (let at: usize = 0; at < whole; at += 16) {
      const vx = v128.load(x + at);
      const vdy = v128.load(dy + at);
      const inner = f32x4.sub(f32x4.mul(vdy, v128.load(gain + at)), f32x4.mul(vx, back4));
      v128.store(dx + at, f32x4.mul(inner, inverse4));
      v128.store(dGain + at, f32x4.add(v128.load(dGain + at), f32x4.mul(f32x4.mul(vx, inverse4), vdy)));
    }
    for (let at = whole; at < bytes; at += 4) {
      const vx = load<f32>(x + at);
      const vdy = load<f32>(dy + at);
      store<f32>(dx + at, (vdy * load<f32>(gain + at) - vx * back) * inverse);
      store<f32>(dGain + at, load<f32>(dGain + at) + vx * inverse * vdy);
    }
    x += bytes;
    dy += bytes;
    dx += bytes;
  }
}

/** 1 / √(mean x² + ε) of one row. */
function inverseNorm(x: usize, bytes: usize, size: i32, epsilon: f32): f32 {
  const whole = bytes & ~15;
  let squares4 = f32x4.splat(0);
  for (let at: usize = 0; at < whole; at += 16) {
    const v = v128.load(x + at);
    squares4 = f32x4.add(squares4, f32x4.mul(v, v));
  }
  let squares = sumLanes(squares4);
  for (let at = whole; at < bytes; at += 4) squares += load<f32>(x + at) * load<f32>(x + at);
  return <f32>1 / Mathf.sqrt(squares / <f32>size + epsilon);
}
