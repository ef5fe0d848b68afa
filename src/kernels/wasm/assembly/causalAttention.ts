/**
 * Causal multi-head attention from queries, keys and values side by side, and its gradient: AssemblyScript. The probabilities
 * are kept for the gradient. In blocks of rows, so that what the mask hides is mostly not computed.
 */
import { matMul, matMulScratch } from './matMul';
import { exp4 } from './elementary';
import { maxLanes, sumLanes } from './simd';

/** Rows of scores at once. 32: our choice; a block of T = 256 is 32 KB, a first-level cache. */
const BLOCK: i32 = 32;

/**
 * @param qkv [batch, time, 3, heads, size]
 * @param out [batch, time, heads, size]
 * @param probabilities [batch, heads, time, time], 0 above the diagonal
 * @param scratch of matMulScratch() bytes
 */
export function attention(
  qkv: usize,
  out: usize,
  probabilities: usize,
  batch: i32,
  time: i32,
  heads: i32,
  size: i32,
  scratch: usize,
): void {
  const channels = heads * size;
  const ld = 3 * channels;
  const scale = <f32>(1 / Math.sqrt(<f64>size));
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const q = qkv + ((<usize>b * time * ld + h * size) << 2);
      const k = q + (<usize>channels << 2);
      const v = k + (<usize>channels << 2);
      const o = out + ((<usize>b * time * channels + h * size) << 2);
      const p = probabilities + (((<usize>b * heads + h) * time * time) << 2);
      for (let from = 0; from < time; from += BLOCK) {
        const rows = min(BLOCK, time - from);
        const seen = from + rows;
        const block = p + ((<usize>from * time) << 2);
        matMul(q + ((<usize>from * ld) << 2), ld, false, k, ld, true, block, time, false, rows, seen, size, scratch);
        for (let i = 0; i < rows; i++) softmaxRow(block + ((<usize>i * time) << 2), from + i + 1, time, scale);
        matMul(block, time, false, v, ld, false, o + ((<usize>from * channels) << 2), channels, false, rows, size, seen, scratch);
      }
    }
  }
}

/** Softmax of scale · row over its first `seen` values, in place; the rest of the row becomes 0. */
function softmaxRow(row: usize, seen: i32, length: i32, scale: f32): void {
  const end = row + (<usize>seen << 2);
  const whole = row + (<usize>(seen & ~3) << 2);
  let high = f32x4.splat(-Infinity);
  let at = row;
  for (; at < whole; at += 16) high = f32x4.pmax(high, v128.load(at));
  let highest = maxLanes(high);
  for (; at < end; at += 4) highest = max(highest, load<f32>(at));
  const scale4 = f32x4.splat(scale);
  const highest4 = f32x4.splat(highest);
  let total4 = f32x4.splat(0);
  for (at = row; at < whole; at += 16) {
    const e = exp4(f32x4.mul(f32x4.sub(v128.load(at), highest4), scale4));
    total4 = f32x4.add(total4, e);
    v128.store(at, e);
  }
  let total = sumLanes(total4);
  for (; at < end; at += 4) {
    const e = f32x4.extract_lane(exp4(f32x4.splat((load<f32>(at) - highest) * scale)), 0);
    total += e;
    store<f32>(at, e);
  }
  const inverse = <f32>1 / total;
  const inverse4 = f32x4.splat(inverse);
  for (at = row; at < whole; at += 16) v128.store(at, f32x4.mul(v128.load(at), inverse4));
  for (; at < end; at += 4) store<f32>(at, load<f32>(at) * inverse);
  memory.fill(end, 0, <usize>(length - seen) << 2);
}

/** Bytes of scratch for attentionGradient: matMul's, and behind it a block of rows of scores. */
export function attentionGradientScratch(time: i32): usize {
  return matMulScratch() + (<usize>(min(BLOCK, time) * time) << 2);
}

/**
 * @param dOut [batch, time, heads, size]  @param dQkv like qkv, overwritten
 * @param scratch of attentionGradientScratch(time) bytes
 * @param scores where matMul's part of them ends
 */
export function attentionGradient(
  qkv: usize,
  probabilities: usize,
  dOut: usize,
  dQkv: usize,
  batch: i32,
  time: i32,
  heads: i32,
  size: i32,
  scratch: usize,
  scores: usize,
): void {
  const channels = heads * size;
  const ld = 3 * channels;
  const part = <usize>channels << 2;
  const scale = <f32>(1 / Math.sqrt(<f64>size));
  memory.fill(dQkv, 0, (<usize>batch * time * ld) << 2);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const offset = (<usize>b * time * ld + h * size) << 2;
      const k = qkv + offset + part;
      const dk = dQkv + offset + part;
      const p = probabilities + (((<usize>b * heads + h) * time * time) << 2);
      for (let from = 0; from < time; from += BLOCK) {
        const rows = min(BLOCK, time - from);
        const seen = from + rows;
        const block = p + ((<usize>from * time) << 2);
        const ahead = offset + ((<usize>from * ld) << 2);
        const dO = dOut + (((<usize>b * time + from) * channels + h * size) << 2);
        matMul(block, time, true, dO, channels, false, dk + part, ld, true, seen, size, rows, scratch);
        matMul(dO, channels, false, k + part, ld, true, scores, seen, false, rows, seen, size, scratch);
        for (let i = 0; i < rows; i++) {
          softmaxRowGradient(block + ((<usize>i * time) << 2), scores + ((<usize>i * seen) << 2), from + i + 1, seen, scale);
        }
        matMul(scores, seen, false, k, ld, false, dQkv + ahead, ld, false, rows, size, seen, scratch);
        matMul(scores, seen, true, qkv + ahead, ld, false, dk, ld, true, seen, size, rows, scratch);
      }
    }
  }
}

/** From d/dp to d/d(score) of one row, in place: scale · p (dp − Σ p dp) over the first `seen`, 0 behind them. */
function softmaxRowGradient(p: usize, d: usize, seen: i32, length: i32, scale: f32): void {
  const bytes = <usize>seen << 2;
  const whole = bytes & ~15;
  let dot4 = f32x4.splat(0);
  for (let at: usize = 0; at < whole; at += 16) dot4 = f32x4.add(dot4, f32x4.mul(v128.load(p + at), v128.load(d + at)));
  let dot = sumLanes(dot4);
  for (let at = whole; at < bytes; at += 4) dot += load<f32>(p + at) * load<f32>(d + at);
  const scale4 = f32x4.splat(scale);
  const all4 = f32x4.splat(dot);
  for (let at: usize = 0; at < whole; at += 16) {
    v128.store(d + at, f32x4.mul(f32x4.mul(v128.load(p + at), scale4), f32x4.sub(v128.load(d + at), all4)));
  }
  for (let at = whole; at < bytes; at += 4) store<f32>(d + at, load<f32>(p + at) * scale * (load<f32>(d + at) - dot));
  memory.fill(d + bytes, 0, <usize>(length - seen) << 2);
}
