/** Σ x² over many tensors on wasm, in float64. */
import { SQUARED_NORM } from '../operations/squaredNorm.ts';
import { sizeOf, wasmKernel } from './wasmKernel.ts';

const forward = wasmKernel(SQUARED_NORM, ({ functions, inputs, outputs: [out], shapes }) => {
  const total = inputs.reduce((sum, x, i) => sum + functions.squaredNorm(x, sizeOf(shapes[i])), 0);
  functions.storeFloat(out, total);
});

export const squaredNormKernels = [forward];
