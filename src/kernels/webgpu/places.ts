/** What K2's shaders of HC and mHC have in common, and what sets the two apart: where each value of a token stands. */

export const LANES = 128;

/** What sets HC and mHC apart. An entry e is one of the n² + 2n values of a token, in the order of p. */
export interface Maps {
  name: string;
  /** Entries for each value of s. */
  perScale: (n: number) => number;
  /** Declares where an entry stands: `part` (which α), `b` (index in b), `at` (index in pre, post or res of token t). */
  place: (n: number) => string;
}

export const MANIFOLD: Maps = {
  name: 'manifold',
  perScale: (n) => n * n + 2 * n,
  place: (n) => `
fn place(t: u32, e: u32) -> Place {
  if (e < ${n}u) { return Place(0u, e, t * ${n}u + e); }
  if (e < ${2 * n}u) { return Place(1u, e, t * ${n}u + e - ${n}u); }
  return Place(2u, e, t * ${n * n}u + e - ${2 * n}u);
}`,
};

export const HYPER: Maps = {
  name: 'hyper',
  perScale: (n) => n + 2,
  place: (n) => `
fn place(t: u32, e: u32) -> Place {
  let j = e / ${n + 2}u;
  let m = e % ${n + 2}u;
  if (m < 2u) { return Place(m, m * ${n}u + j, t * ${n}u + j); }
  return Place(2u, m * ${n}u + j, (t * ${n}u + m - 2u) * ${n}u + j);
}`,
};

export const PLACE = 'struct Place { part: u32, b: u32, at: u32 }';
export const SIGMOID = 'fn sigmoid(x: f32) -> f32 { return 1f / (1f + exp(-x)); }';
/** Not every driver's tanh takes large arguments, and a clamp may make a number of NaN. */
export const TANH = `fn bounded(x: f32) -> f32 {
  return select(tanh(clamp(x, -15f, 15f)), x, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);
}`;
