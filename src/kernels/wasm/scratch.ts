/** How much memory functions of the module need for one call, in floats: what their sources in ./assembly say. */

const upTo = (multiple: number, count: number) => Math.ceil(count / multiple) * multiple;

export const projectFloats = (k: number, m: number): number => k * upTo(8, m) + 32;

/** BLOCK of assembly/projectGradient.ts. */
const ROWS_PER_BLOCK = 64;
export const projectGradientFloats = (k: number, m: number): number => (2 * upTo(16, k) + ROWS_PER_BLOCK) * (m + 1) + 16 * ROWS_PER_BLOCK;

export const sinkhornFloats = (n: number): number => 4 * (n * n + n);

export function sinkhornGradientFloats(n: number, iterations: number, deepseek: boolean): number {
  const halfSteps = 2 * iterations - (deepseek ? 1 : 0);
  return 4 * (2 * n * n + halfSteps * (n * n + n));
}
