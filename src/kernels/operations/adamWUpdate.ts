/**
 * One AdamW update (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2) of one parameter. One kernel on cpu, wasm and webgpu,
 * composed elsewhere. No gradient; the schedule and the slots are the optimizer's (src/model/adamw.ts).
 */
import * as tf from '@tensorflow/tfjs';
import { type Attributes, hasKernel, type Operation, runKernel } from '../operation.ts';

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

/** What all kernels compute with, once per update. */
export interface AdamWFactors extends AdamWStep {
  /** 1 − beta1 and 1 − beta2. */
  rest1: number;
  rest2: number;
  /** What is left of a parameter after its decay: 1 − learning rate · decay. */
  keep: number;
  /** Of m: learning rate / correction1. */
  rate: number;
}

/** @returns the step that a kernel got as its attributes, and what follows from it */
export function adamWFactors(attributes: Attributes): AdamWFactors {
  const step = attributes as unknown as AdamWStep;
  const { learningRate, beta1, beta2, weightDecay, correction1 } = step;
  return { ...step, rest1: 1 - beta1, rest2: 1 - beta2, keep: 1 - learningRate * weightDecay, rate: learningRate / correction1 };
}

/**
 * g = scale · gradient, m' = β₁ m + (1 − β₁) g, v' = β₂ v + (1 − β₂) g², and the parameter
 * p' = (1 − η λ) p − η (m' / correction1) / (√(v' / correction2) + ε).
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
