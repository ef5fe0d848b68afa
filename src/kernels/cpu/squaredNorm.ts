/** Σ x² over many tensors on cpu, in float64. */
import { SQUARED_NORM } from '../operations/squaredNorm.ts';
import { cpuKernel } from './cpuKernel.ts';

const forward = cpuKernel(SQUARED_NORM, (inputs, [out]) => {
  let total = 0;
  for (const values of inputs) {
    for (let i = 0; i < values.length; i++) total += values[i] * values[i];
  }
  out[0] = total;
});

export const squaredNormKernels = [forward];
