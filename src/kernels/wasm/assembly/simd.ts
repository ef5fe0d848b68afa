/** Small things over four floats at a time that several functions share: AssemblyScript. */

/** The four lanes added up, pairwise. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function sumLanes(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** The largest lane; a NaN may be lost. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function maxLanes(v: v128): f32 {
  const pairs = f32x4.pmax(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/**
 * ln x for x ≥ 2⁻¹⁰²², within 1e-13; +Infinity and NaN stay. AssemblyScript's own Math.log has a table, which would be a data
 * segment.
 * x = 2^n m with m in [√½, √2], and ln m = 2 artanh s with s = (m − 1) / (m + 1), |s| < 0.172.
 */
export function logarithm(x: f64): f64 {
  if (!(x < Infinity)) return x;
  const bits = reinterpret<u64>(x);
  let n = <i32>(bits >> 52) - 1023;
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    n++;
  }
  const s = (m - 1) / (m + 1);
  const z = s * s;
  const series = 1 + z * (1 / 3.0 + z * (1 / 5.0 + z * (1 / 7.0 + z * (1 / 9.0 + z * (1 / 11.0 + z * (1 / 13.0 + z / 15.0))))));
  return 2 * s * series + <f64>n * 0.6931471805599453;
}
