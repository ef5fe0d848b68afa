/** The cpu kernels of the custom operations, in plain TypeScript and float64. What they mean is in the operations' files. */
import type * as tf from '@tensorflow/tfjs';
import { ADAMW, type AdamWStep } from '../adamw.ts';
import { CROSS_ENTROPY, CROSS_ENTROPY_GRADIENT } from '../crossEntropy.ts';
import { type HostArray, hostKernel } from '../host.ts';
import { RMS_NORMALISE, RMS_NORMALISE_GRADIENT } from '../normalise.ts';
import { RELU_GRADIENT } from '../relu.ts';
import { SQUARED_NORM } from '../squaredNorm.ts';
import { attention, attentionGradient } from './attention.ts';

/** 1 / √(mean x² + ε) of the row that begins at `from`. */
function inverseNorm(x: HostArray, from: number, size: number, epsilon: number): number {
  let squares = 0;
  for (let c = from; c < from + size; c++) squares += x[c] * x[c];
  return 1 / Math.sqrt(squares / size + epsilon);
}

const rmsNormalise = hostKernel('cpu', RMS_NORMALISE, ([x, gain], [y], _shapes, { epsilon }) => {
  const size = gain.length;
  for (let from = 0; from < x.length; from += size) {
    const inverse = inverseNorm(x, from, size, epsilon as number);
    for (let c = 0; c < size; c++) y[from + c] = x[from + c] * inverse * gain[c];
  }
});

const rmsNormaliseGradient = hostKernel('cpu', RMS_NORMALISE_GRADIENT, ([x, gain, dy], [dx, dGain], _shapes, { epsilon }) => {
  const size = gain.length;
  dGain.fill(0);
  for (let from = 0; from < x.length; from += size) {
    const inverse = inverseNorm(x, from, size, epsilon as number);
    let sum = 0;
    for (let c = 0; c < size; c++) sum += dy[from + c] * gain[c] * x[from + c];
    const back = (sum * inverse * inverse) / size;
    for (let c = 0; c < size; c++) {
      dx[from + c] = (dy[from + c] * gain[c] - x[from + c] * back) * inverse;
      dGain[c] += x[from + c] * inverse * dy[from + c];
    }
  }
});

const crossEntropy = hostKernel('cpu', CROSS_ENTROPY, ([logits, targets], [loss, probabilities], [[rows, size]]) => {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const from = row * size;
    let highest = Number.NEGATIVE_INFINITY;
    for (let c = from; c < from + size; c++) highest = Math.max(highest, logits[c]);
    let total = 0;
    for (let c = from; c < from + size; c++) total += Math.exp(logits[c] - highest);
    for (let c = from; c < from + size; c++) probabilities[c] = Math.exp(logits[c] - highest) / total;
    const target = targets[row];
    sum += target >= 0 && target < size ? Math.log(total) + highest - logits[from + target] : Number.NaN;
  }
  loss[0] = sum / rows;
});

const crossEntropyGradient = hostKernel('cpu', CROSS_ENTROPY_GRADIENT, ([probabilities, targets, dy], [dLogits], [[rows, size]]) => {
  const scale = dy[0] / rows;
  for (let i = 0; i < dLogits.length; i++) dLogits[i] = scale * probabilities[i];
  for (let row = 0; row < rows; row++) if (targets[row] >= 0 && targets[row] < size) dLogits[row * size + targets[row]] -= scale;
});

const reluGradient = hostKernel('cpu', RELU_GRADIENT, ([y, dy], [dx]) => {
  for (let i = 0; i < dx.length; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
});

const adamW = hostKernel(
  'cpu',
  ADAMW,
  ([parameter, first, second, gradient, scale], [outParameter, outFirst, outSecond], _shapes, attributes) => {
    const { learningRate, beta1, beta2, epsilon, weightDecay, correction1, correction2 } = attributes as unknown as AdamWStep;
    const keep = 1 - learningRate * weightDecay;
    for (let i = 0; i < parameter.length; i++) {
      const g = gradient[i] * scale[0];
      const m = beta1 * first[i] + (1 - beta1) * g;
      const v = beta2 * second[i] + (1 - beta2) * g * g;
      outFirst[i] = m;
      outSecond[i] = v;
      outParameter[i] = keep * parameter[i] - (learningRate * (m / correction1)) / (Math.sqrt(v / correction2) + epsilon);
    }
  },
);

const squaredNorm = hostKernel('cpu', SQUARED_NORM, (inputs, [out]) => {
  let total = 0;
  for (const values of inputs) {
    for (let i = 0; i < values.length; i++) total += values[i] * values[i];
  }
  out[0] = total;
});

export const CPU_OPERATIONS: readonly tf.KernelConfig[] = [
  rmsNormalise,
  rmsNormaliseGradient,
  attention,
  attentionGradient,
  crossEntropy,
  crossEntropyGradient,
  reluGradient,
  adamW,
  squaredNorm,
];
