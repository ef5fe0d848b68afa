/** RMS normalisation with a gain on wasm. */
import { RMS_NORMALISE, RMS_NORMALISE_GRADIENT } from '../operations/rmsNormalise.ts';
import { sizeOf, wasmKernel } from './wasmKernel.ts';

const rowsOf = (shape: number[]) => sizeOf(shape.slice(0, -1));

const forward = wasmKernel(RMS_NORMALISE, ({ functions, inputs: [x, gain], outputs: [y], shapes: [shape, [size]], attributes }) =>
  functions.rmsNormalise(x, gain, y, rowsOf(shape), size, attributes['epsilon'] as number),
);

const gradient = wasmKernel(RMS_NORMALISE_GRADIENT, ({ functions, inputs, outputs: [dx, dGain], shapes: [shape, [size]], attributes }) => {
  const [x, gain, dy] = inputs;
  functions.rmsNormaliseGradient(x, gain, dy, dx, dGain, rowsOf(shape), size, attributes['epsilon'] as number);
});

export const rmsNormaliseKernels = [forward, gradient];
