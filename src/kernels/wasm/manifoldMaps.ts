/** The coefficients of mHC on wasm. */
import { streamsOf } from '../operations/coefficients.ts';
import { MANIFOLD_MAPS, MANIFOLD_MAPS_GRADIENT } from '../operations/manifoldMaps.ts';
import { sizeOf, wasmKernel } from './wasmKernel.ts';

const forward = wasmKernel(MANIFOLD_MAPS, ({ functions, inputs: [p, s, alpha, b], outputs, shapes, attributes }) => {
  const [pre, post, res] = outputs;
  const [tokens, n] = [sizeOf(shapes[1]), streamsOf(sizeOf(shapes[3]))];
  functions.manifoldMaps(p, s, alpha, b, pre, post, res, tokens, n, attributes['epsilon'] as number);
});

const gradient = wasmKernel(MANIFOLD_MAPS_GRADIENT, ({ functions, inputs, outputs, shapes, scratch }) => {
  const [p, s, alpha, b, dPre, dPost, dRes] = inputs;
  const [dp, ds, dAlpha, db] = outputs;
  const [tokens, n] = [sizeOf(shapes[1]), streamsOf(sizeOf(shapes[3]))];
  const work = scratch(functions.manifoldMapsGradientScratch(n));
  functions.manifoldMapsGradient(p, s, alpha, b, dPre, dPost, dRes, dp, ds, dAlpha, db, tokens, n, work);
});

export const manifoldMapsKernels = [forward, gradient];
