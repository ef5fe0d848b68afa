/** Cross-entropy against one right column per row on wasm. */
import { CROSS_ENTROPY, CROSS_ENTROPY_GRADIENT } from '../operations/crossEntropy.ts';
import { wasmKernel } from './wasmKernel.ts';

const forward = wasmKernel(CROSS_ENTROPY, ({ functions, inputs: [logits, targets], outputs, shapes: [[rows, size]] }) => {
  const [loss, probabilities] = outputs;
  functions.crossEntropy(logits, targets, loss, probabilities, rows, size);
});

const gradient = wasmKernel(CROSS_ENTROPY_GRADIENT, ({ functions, inputs, outputs: [dLogits], shapes: [[rows, size]] }) => {
  const [probabilities, targets, dy] = inputs;
  functions.crossEntropyGradient(probabilities, targets, dy, dLogits, rows, size);
});

export const crossEntropyKernels = [forward, gradient];
