/**
 * One AdamW update (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2) of one parameter. One kernel on cpu and wasm,
 * composed elsewhere. No gradient; the schedule and the slots are the optimizer's (src/model/adamw.ts).
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, runKernel } from './run.ts';

/** Parameter, m, v, gradient and scale, to the new parameter, m and v. Its attributes are an AdamWStep. */
export const ADAMW: Operation = { name: 'GainwatchAdamW', shapes: ([parameter]) => [parameter, parameter, parameter] };

export interface AdamWStep {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  /** 1 − beta1^t and 1 − beta2^t at update t. */
  correction1: number;
  correction2: number;
}

/**
 * @param parameter, first (m), second (v), gradient: equal shapes
 * @param scale a scalar that multiplies the gradient first (clipping; 1 for none)
 * @returns the new [parameter, m, v]
 */
export function adamWUpdate(
  parameter: tf.Tensor,
  first: tf.Tensor,
  second: tf.Tensor,
  gradient: tf.Tensor,
  scale: tf.Scalar,
  step: AdamWStep,
): [tf.Tensor, tf.Tensor, tf.Tensor] {
  if (hasKernel(ADAMW)) {
    return runKernel(ADAMW, [parameter, first, second, gradient, scale], { ...step }) as [tf.Tensor, tf.Tensor, tf.Tensor];
  }
  return tf.tidy(() => {
    const g = tf.mul(gradient, scale);
    const m = tf.add(tf.mul(first, step.beta1), tf.mul(g, 1 - step.beta1));
    const v = tf.add(tf.mul(second, step.beta2), tf.mul(tf.square(g), 1 - step.beta2));
    const denominator = tf.add(tf.sqrt(tf.div(v, step.correction2)), step.epsilon);
    const kept = tf.mul(parameter, 1 - step.learningRate * step.weightDecay);
    return [tf.sub(kept, tf.mul(tf.div(m, denominator), step.learningRate / step.correction1)), m, v] as [tf.Tensor, tf.Tensor, tf.Tensor];
  });
}
