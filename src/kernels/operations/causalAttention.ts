/**
 * Causal multi-head attention from queries, keys and values that lie side by side. One kernel on cpu and wasm, which keeps the
 * probabilities for its gradient; composed elsewhere. No projections: those are the layer's (src/model/attention.ts).
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, runKernel, withGradient } from '../operation.ts';

/** qkv, to the result and the probabilities. */
export const ATTENTION: Operation = {
  name: 'GainwatchCausalAttention',
  shapes: ([[batch, time, width]], { heads }) => [
    [batch, time, width / 3],
    [batch, heads as number, time, time],
  ],
};
/** qkv, probabilities and dy. */
export const ATTENTION_GRADIENT: Operation = { name: 'GainwatchCausalAttentionGradient', shapes: ([qkv]) => [qkv] };

/**
 * softmax(q kᵀ / √(C/H)) v in each head; position t sees positions 0 … t.
 * @param qkv `[B, T, 3C]`: queries, keys, values, each with its heads side by side
 * @param heads H, divides C
 * @returns `[B, T, C]`
 * @throws Error where the shape does not fit
 */
export function causalAttention(qkv: tf.Tensor, heads: number): tf.Tensor {
  const width = qkv.shape.at(-1) as number;
  if (qkv.rank !== 3 || width % (3 * heads) !== 0) {
    throw new Error(`causalAttention: qkv must be [B, T, 3C] with C a multiple of heads, got [${qkv.shape}] and ${heads} heads`);
  }
  if (!hasKernel(ATTENTION)) return composedAttention(qkv, heads);
  // Not registerGradient: with two outputs the tape would fill zeros for the gradient of the second.
  return withGradient(
    [qkv],
    ([x]) => {
      const [value, probabilities] = runKernel(ATTENTION, [x], { heads });
      return { value, saved: [x, probabilities] };
    },
    (dy, saved) => runKernel(ATTENTION_GRADIENT, [...saved, dy])[0],
  );
}

/** The same of stock operations, which keep scores and probabilities, `[B, H, T, T]` each. */
export function composedAttention(qkv: tf.Tensor, heads: number): tf.Tensor {
  const [batch, time, width] = qkv.shape;
  const size = width / 3 / heads;
  const split = (t: tf.Tensor) => t.reshape([batch, time, heads, size]).transpose([0, 2, 1, 3]); // [B, H, T, C/H]
  const [q, k, v] = tf.split(qkv, 3, -1).map(split);
  const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(size)), causalMask(time)); // [B, H, T, T]
  return tf
    .matMul(tf.softmax(scores, -1), v)
    .transpose([0, 2, 1, 3])
    .reshape([batch, time, heads * size]);
}

/** 0 on and below the diagonal, −1e9 above: its exponential is 0 in float32 beside any score. `[T, T]` */
function causalMask(time: number): tf.Tensor2D {
  const values = new Float32Array(time * time);
  for (let t = 0; t < time; t++) values.fill(-1e9, t * time + t + 1, (t + 1) * time);
  return tf.tensor2d(values, [time, time]);
}
