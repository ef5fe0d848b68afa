/** One AdamW update on cpu, in float64. */
import { ADAMW, adamWFactors } from '../operations/adamWUpdate.ts';
import { cpuKernel } from './cpuKernel.ts';

const update = cpuKernel(ADAMW, ([parameter, first, second, gradient, scale], [newParameter, newFirst, newSecond], _shapes, attributes) => {
  const { learningRate, beta1, rest1, beta2, rest2, epsilon, correction1, correction2, keep } = adamWFactors(attributes);
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i] * scale[0];
    const m = beta1 * first[i] + rest1 * g;
    const v = beta2 * second[i] + rest2 * g * g;
    newFirst[i] = m;
    newSecond[i] = v;
    newParameter[i] = keep * parameter[i] - (learningRate * (m / correction1)) / (Math.sqrt(v / correction2) + epsilon);
  }
});

export const adamWUpdateKernels = [update];
