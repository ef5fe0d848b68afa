/**
 * What hyperMaps and manifoldMaps share: AssemblyScript. Up to four values at a time; the gradients of b and α, sums over all tokens, are
 * taken in float32 over groups of tokens first, so that their error does not grow with the number of tokens.
 */

/** Tokens whose gradients of b and α are summed before they are added to the total. 64: our choice, the square root of 4096 tokens. */
export const GROUP: i32 = 64;

/** The first `count` of four floats; the others are 0. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function loadUpTo4(at: usize, count: i32): v128 {
  if (count >= 4) return v128.load(at);
  let out = v128.load32_zero(at);
  if (count > 1) out = v128.load_lane<f32>(at, out, 1, 4);
  if (count > 2) out = v128.load_lane<f32>(at, out, 2, 8);
  return out;
}

/** Writes the first `count` of four floats. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function storeUpTo4(at: usize, value: v128, count: i32): void {
  if (count >= 4) {
    v128.store(at, value);
    return;
  }
  store<f32>(at, f32x4.extract_lane(value, 0));
  if (count > 1) store<f32>(at + 4, f32x4.extract_lane(value, 1));
  if (count > 2) store<f32>(at + 8, f32x4.extract_lane(value, 2));
}

/** Zero sums of the first group, [width] and the three of α behind them, and zero totals. */
// @ts-ignore: a decorator of AssemblyScript
@inline
export function beginSums(sums: usize, width: usize, db: usize, dAlpha: usize): void {
  memory.fill(sums, 0, width + 12);
  memory.fill(db, 0, width);
  memory.fill(dAlpha, 0, 12);
}

/** Adds the sums of a group, [width] and the three of α behind them, to the totals, and begins anew. */
export function flush(sums: usize, width: usize, db: usize, dAlpha: usize): void {
  for (let c: usize = 0; c < width; c += 4) store<f32>(db + c, load<f32>(db + c) + load<f32>(sums + c));
  for (let c: usize = 0; c < 12; c += 4) store<f32>(dAlpha + c, load<f32>(dAlpha + c) + load<f32>(sums + width + c));
  memory.fill(sums, 0, width + 12);
}
