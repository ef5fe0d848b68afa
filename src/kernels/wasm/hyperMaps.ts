/** The coefficients of HC on wasm. */
import { HYPER_MAPS, HYPER_MAPS_GRADIENT } from '../operations/hyperMaps.ts';
import { sizeOf, wasmKernel } from './wasmKernel.ts';

const forward = wasmKernel(HYPER_MAPS, ({ functions, inputs: [p, s, alpha, b], outputs: [pre, post, res], shapes }) => {
  const n = shapes[3][1];
  functions.hyperMaps(p, s, alpha, b, pre, post, res, sizeOf(shapes[1]) / n, n);
});

const gradient = wasmKernel(HYPER_MAPS_GRADIENT, ({ functions, inputs, outputs, shapes, scratch }) => {
  const [p, s, alpha, , dPre, dPost, dRes] = inputs;
  const [dp, ds, dAlpha, db] = outputs;
  const n = shapes[3][1];
  const work = scratch(functions.hyperMapsGradientScratch(n));
  functions.hyperMapsGradient(p, s, alpha, dPre, dPost, dRes, dp, ds, dAlpha, db, sizeOf(shapes[1]) / n, n, work);
});

export const hyperMapsKernels = [forward, gradient];
