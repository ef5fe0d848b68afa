/** Blocks of values copied from one place to another, each value of 4 bytes: AssemblyScript. For split, concat and gather. */

/** `count` blocks of `bytes`, their beginnings `fromStride` and `toStride` bytes apart. */
export function copyBlocks(from: usize, fromStride: i32, to: usize, toStride: i32, bytes: i32, count: i32): void {
  for (let i = 0; i < count; i++) copy(from + i * fromStride, to + i * toStride, bytes);
}

/**
 * out[o, i] = x[o, ids[i]] for blocks of `bytes`.
 * @param x [outer, limit] blocks  @param ids int32 [count]  @param out [outer, count] blocks
 * @returns false where an id is not in 0 … limit − 1: nothing was written
 */
export function gatherBlocks(x: usize, ids: usize, out: usize, outer: i32, limit: i32, count: i32, bytes: i32): bool {
  for (let i = 0; i < count; i++) if (<u32>load<i32>(ids + (<usize>i << 2)) >= <u32>limit) return false;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < count; i++) {
      copy(x + <usize>load<i32>(ids + (<usize>i << 2)) * bytes, out, bytes);
      out += bytes;
    }
    x += <usize>limit * bytes;
  }
  return true;
}

/** memory.copy is a call out of the module, which short blocks do not repay. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function copy(from: usize, to: usize, bytes: i32): void {
  if (bytes > 512) {
    memory.copy(to, from, bytes);
    return;
  }
  const whole = bytes & ~15;
  for (let at = 0; at < whole; at += 16) v128.store(to + at, v128.load(from + at));
  for (let at = whole; at < bytes; at += 4) store<u32>(to + at, load<u32>(from + at));
}
