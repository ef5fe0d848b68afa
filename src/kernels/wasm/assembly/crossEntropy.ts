/** Cross-entropy of logits against one right column per row, and its gradient: AssemblyScript. */
import { exp4 } from './elementary';
import { logarithm, maxLanes, sumLanes } from './simd';

/**
 * @param logits [rows, size]  @param targets int32 [rows]; one outside 0 … size − 1 makes the loss NaN
 * @param out one float: the mean over the rows of −ln softmax(logits)[target]
 * @param probabilities [rows, size], the softmax, kept for the gradient
 */
export function crossEntropy(logits: usize, targets: usize, out: usize, probabilities: usize, rows: i32, size: i32): void {
  const bytes = <usize>size << 2;
  const whole = bytes & ~15;
  let loss: f64 = 0;
  for (let i = 0; i < rows; i++) {
    let high = f32x4.splat(-Infinity);
    for (let at: usize = 0; at < whole; at += 16) high = f32x4.pmax(high, v128.load(logits + at));
    let highest = maxLanes(high);
    for (let at = whole; at < bytes; at += 4) highest = max(highest, load<f32>(logits + at));
    const highest4 = f32x4.splat(highest);
    let total4 = f32x4.splat(0);
    for (let at: usize = 0; at < whole; at += 16) {
      const e = exp4(f32x4.sub(v128.load(logits + at), highest4));
      total4 = f32x4.add(total4, e);
      v128.store(probabilities + at, e);
    }
    let total = sumLanes(total4);
    for (let at = whole; at < bytes; at += 4) {
      const e = f32x4.extract_lane(exp4(f32x4.splat(load<f32>(logits + at) - highest)), 0);
      total += e;
      store<f32>(probabilities + at, e);
    }
    const inverse = <f32>1 / total;
    const inverse4 = f32x4.splat(inverse);
    for (let at: usize = 0; at < whole; at += 16) {
      v128.store(probabilities + at, f32x4.mul(v128.load(probabilities + at), inverse4));
    }
    for (let at = whole; at < bytes; at += 4) store<f32>(probabilities + at, load<f32>(probabilities + at) * inverse);
    const target = load<i32>(targets + (<usize>i << 2));
    const inside = <u32>target < <u32>size;
    loss += inside ? logarithm(<f64>total) + <f64>highest - <f64>load<f32>(logits + (<usize>target << 2)) : NaN;
    logits += bytes;
    probabilities += bytes;
  }
  store<f32>(out, <f32>(loss / <f64>rows));
}

/** dLogits = dy (probabilities − one-hot of targets) / rows. @param dy one float */
export function crossEntropyGradient(probabilities: usize, targets: usize, dy: usize, dLogits: usize, rows: i32, size: i32): void {
  const scale = load<f32>(dy) / <f32>rows;
  scaled(probabilities, dLogits, rows * size, scale);
  for (let i = 0; i < rows; i++) {
    const target = load<i32>(targets + (<usize>i << 2));
    if (<u32>target >= <u32>size) continue;
    const at = dLogits + ((<usize>i * size + target) << 2);
    store<f32>(at, load<f32>(at) - scale);
  }
}

function scaled(from: usize, to: usize, count: i32, scale: f32): void {
  const bytes = <usize>count << 2;
  const whole = bytes & ~15;
  const scale4 = f32x4.splat(scale);
  for (let at: usize = 0; at < whole; at += 16) v128.store(to + at, f32x4.mul(v128.load(from + at), scale4));
  for (let at = whole; at < bytes; at += 4) store<f32>(to + at, load<f32>(from + at) * scale);
}
