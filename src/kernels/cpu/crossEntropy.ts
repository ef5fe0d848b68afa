/** Cross-entropy against one right column per row on cpu, in float64. */
import { CROSS_ENTROPY, CROSS_ENTROPY_GRADIENT } from '../operations/crossEntropy.ts';
import { cpuKernel } from './cpuKernel.ts';

const forward = cpuKernel(CROSS_ENTROPY, ([logits, targets], [loss, probabilities], [[rows, size]]) => {
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

const gradient = cpuKernel(CROSS_ENTROPY_GRADIENT, ([probabilities, targets, dy], [dLogits], [[rows, size]]) => {
  const scale = dy[0] / rows;
  for (let i = 0; i < dLogits.length; i++) dLogits[i] = scale * probabilities[i];
  for (let row = 0; row < rows; row++) if (targets[row] >= 0 && targets[row] < size) dLogits[row * size + targets[row]] -= scale;
});

export const crossEntropyKernels = [forward, gradient];
