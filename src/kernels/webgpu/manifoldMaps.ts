/** The coefficients of mHC on WebGPU, and their gradients. */
import { MANIFOLD_MAPS, MANIFOLD_MAPS_GRADIENT } from '../operations/manifoldMaps.ts';
import { type Maps, mapsKernels } from './coefficients.ts';

const MANIFOLD: Maps = {
  name: 'manifold',
  perScale: (n) => n * n + 2 * n,
  entryAt: (n) => `
fn entryAt(t: u32, e: u32) -> Entry {
  if (e < ${n}u) { return Entry(0u, e, t * ${n}u + e); }
  if (e < ${2 * n}u) { return Entry(1u, e, t * ${n}u + e - ${n}u); }
  return Entry(2u, e, t * ${n * n}u + e - ${2 * n}u);
}`,
  bound: 'fn sigmoid(x: f32) -> f32 { return 1f / (1f + exp(-x)); }',
  write: (epsilon) => `let h = alpha[to.part] * z + b[to.b];
  if (to.part == 0u) { pre[to.at] = sigmoid(h) + ${epsilon}f; }
  else if (to.part == 1u) { post[to.at] = 2f * sigmoid(h); }
  else { res[to.at] = h; }`,
  outerGradient: `if (to.part < 2u) {
    let y = sigmoid(alpha[to.part] * scale * p[i] + b[to.b]);
    g *= y * (1f - y) * f32(to.part + 1u);
  }`,
  outerTakesB: true,
  innerGradient: 'let y = scale * p[i]; let dz = g * alpha[to.part];',
};

export const manifoldMapsKernels = mapsKernels(MANIFOLD_MAPS, MANIFOLD_MAPS_GRADIENT, MANIFOLD);
