/** One AdamW update on wasm. */
import { ADAMW, adamWFactors } from '../operations/adamWUpdate.ts';
import { sizeOf, wasmKernel } from './wasmKernel.ts';

const update = wasmKernel(ADAMW, ({ functions, inputs, outputs, shapes: [shape], attributes }) => {
  const { beta1, rest1, beta2, rest2, rate, correction2, epsilon, keep } = adamWFactors(attributes);
  const [parameter, first, second, gradient, scale] = inputs;
  const [newParameter, newFirst, newSecond] = outputs;
  const tensors = [parameter, first, second, gradient, scale, newParameter, newFirst, newSecond] as const;
  functions.adamW(...tensors, sizeOf(shape), beta1, rest1, beta2, rest2, rate, 1 / correction2, epsilon, keep);
});

export const adamWUpdateKernels = [update];
