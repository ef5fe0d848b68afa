/** Σ x² over many tensors on wasm, in float64. */
import { SQUARED_NORM } from '../operations/squaredNorm.ts';
import { sizeOf, wasmKernel } from './wasmKernel.ts';

const forward = wasmKernel(SQUARED_NORM, ({ functions, inputs, outputs: [out], shapes }) => {
  let total = 0;
  inputs.forEach((x, i) => {
    total += functions.squaredNorm(x, sizeOf(shapes[i]));
  });
  functions.storeFloat(out, total);
});

export const squaredNormKernels = [forward];
