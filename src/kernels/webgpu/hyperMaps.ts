/** The coefficients of HC on WebGPU, and their gradients. */
import { HYPER_MAPS, HYPER_MAPS_GRADIENT } from '../operations/hyperMaps.ts';
import { type Maps, mapsKernels } from './coefficients.ts';

const HYPER: Maps = {
  name: 'hyper',
  perScale: (n) => n + 2,
  entryAt: (n) => `
fn entryAt(t: u32, e: u32) -> Entry {
  let j = e / ${n + 2}u;
  let m = e % ${n + 2}u;
  if (m < 2u) { return Entry(m, m * ${n}u + j, t * ${n}u + j); }
  return Entry(2u, m * ${n}u + j, (t * ${n}u + m - 2u) * ${n}u + j);
}`,
  // Not every driver's tanh takes large arguments, and a clamp may make a number of NaN.
  bound: `fn bounded(x: f32) -> f32 {
  return select(tanh(clamp(x, -15f, 15f)), x, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);
}`,
  write: () => `let h = alpha[to.part] * bounded(z) + b[to.b];
  if (to.part == 0u) { pre[to.at] = h; } else if (to.part == 1u) { post[to.at] = h; } else { res[to.at] = h; }`,
  outerGradient: '',
  outerTakesB: false,
  innerGradient: 'let y = bounded(scale * p[i]); let dz = g * alpha[to.part] * (1f - y * y);',
};

export const hyperMapsKernels = mapsKernels(HYPER_MAPS, HYPER_MAPS_GRADIENT, HYPER);
