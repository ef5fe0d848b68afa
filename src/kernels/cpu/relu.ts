/** The gradient of ReLU on cpu. */
import { RELU_GRADIENT } from '../operations/relu.ts';
import { cpuKernel } from './cpuKernel.ts';

const gradient = cpuKernel(RELU_GRADIENT, ([y, dy], [dx]) => {
  for (let i = 0; i < dx.length; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
});

export const reluKernels = [gradient];
