/** The gradient of ReLU on wasm. */
import { RELU_GRADIENT } from '../operations/relu.ts';
import { sizeOf, wasmKernel } from './wasmKernel.ts';

const gradient = wasmKernel(RELU_GRADIENT, ({ functions, inputs: [y, dy], outputs: [dx], shapes: [shape] }) =>
  functions.reluGradient(y, dy, dx, sizeOf(shape)),
);

export const reluKernels = [gradient];
