/**
 * Sinkhorn–Knopp and its gradient: AssemblyScript. Four tokens at a time, one in each lane, in scratch; the gradient runs
 * the half-steps again and keeps their results for these four tokens only. Meaning: src/measures/sinkhornKnopp.ts.
 */
import { exp4 } from './elementary';
import { halfSteps4, undoHalfSteps4 } from './sinkhorn4';

/** Element (i, j) of the four matrices at `at`, `size` bytes apart; the last one again where there are fewer. */
function gather(at: usize, size: usize, count: i32, element: usize): v128 {
  const from = at + (element << 2);
  let out = v128.load32_zero(from);
  out = v128.load_lane<f32>(from + (count > 1 ? size : 0), out, 1);
  out = v128.load_lane<f32>(from + (count > 2 ? 2 * size : 0), out, 2);
  return v128.load_lane<f32>(from + (count > 3 ? 3 * size : 0), out, 3);
}

function scatter(value: v128, at: usize, size: usize, count: i32, element: usize): void {
  const to = at + (element << 2);
  store<f32>(to, f32x4.extract_lane(value, 0));
  if (count > 1) store<f32>(to + size, f32x4.extract_lane(value, 1));
  if (count > 2) store<f32>(to + 2 * size, f32x4.extract_lane(value, 2));
  if (count > 3) store<f32>(to + 3 * size, f32x4.extract_lane(value, 3));
}

/** exp without each column's maximum, or the softmax of each row + ε. Into m, n² vectors. */
function startMatrix(logits: usize, size: usize, count: i32, m: usize, n: i32, deepseek: bool, epsilon: f32): void {
  const along = deepseek ? 1 : n;
  const across = deepseek ? n : 1;
  for (let line = 0; line < n; line++) {
    let maximum = f32x4.splat(-Infinity);
    for (let k = 0; k < n; k++) maximum = f32x4.max(maximum, gather(logits, size, count, line * across + k * along));
    let sum = f32x4.splat(0);
    for (let k = 0; k < n; k++) {
      const element = line * across + k * along;
      const value = exp4(f32x4.sub(gather(logits, size, count, element), maximum));
      v128.store(m + (<usize>element << 4), value);
      sum = f32x4.add(sum, value);
    }
    if (deepseek) {
      for (let k = 0; k < n; k++) {
        const at = m + (<usize>(line * n + k) << 4);
        v128.store(at, f32x4.add(f32x4.div(v128.load(at), sum), f32x4.splat(epsilon)));
      }
    }
  }
}

/** Every column (or row) of `from` divided by its sum + ε, into `to`; 1 / (sum + ε) into `inverses`, n vectors. */
function halfStep(from: usize, to: usize, inverses: usize, columns: bool, n: i32, epsilon: f32): void {
  const along = <usize>(columns ? n : 1) << 4;
  const across = <usize>(columns ? 1 : n) << 4;
  for (let line = 0; line < n; line++) {
    const at = line * across;
    let sum = f32x4.splat(epsilon);
    for (let k = 0; k < n; k++) sum = f32x4.add(sum, v128.load(from + at + k * along));
    const inverse = f32x4.div(f32x4.splat(1), sum);
    v128.store(inverses + (<usize>line << 4), inverse);
    for (let k = 0; k < n; k++) v128.store(to + at + k * along, f32x4.mul(v128.load(from + at + k * along), inverse));
  }
}

/** Element of H_res that an element of the iteration is: transposed for the deepseek convention. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function oriented(i: i32, j: i32, n: i32, deepseek: bool): i32 {
  return deepseek ? j * n + i : i * n + j;
}

/** Divisions by columns or by rows. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function stepsOf(iterations: i32, deepseek: bool): i32 {
  return 2 * iterations - (deepseek ? 1 : 0);
}

/** Bytes of scratch for sinkhorn: a matrix and n inverses, each a vector of four tokens. */
export function sinkhornScratch(n: i32): usize {
  return <usize>(n * n + n) << 4;
}

/** @param logits [T, n, n] @param out [T, n, n] @param scratch of sinkhornScratch(n) bytes */
export function sinkhorn(
  logits: usize,
  out: usize,
  tokens: i32,
  n: i32,
  iterations: i32,
  deepseek: bool,
  epsilon: f32,
  scratch: usize,
): void {
  const size = <usize>(n * n) << 2;
  const inverses = scratch + (size << 2);
  const steps = stepsOf(iterations, deepseek);
  for (let t = 0; t < tokens; t += 4) {
    const count = min(4, tokens - t);
    startMatrix(logits, size, count, scratch, n, deepseek, epsilon);
    if (n == 4) halfSteps4(scratch, scratch, 0, steps, epsilon);
    else for (let k = 0; k < steps; k++) halfStep(scratch, scratch, inverses, (k & 1) == 0, n, epsilon);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        scatter(v128.load(scratch + (<usize>(i * n + j) << 4)), out, size, count, oriented(i, j, n, deepseek));
      }
    }
    logits += 4 * size;
    out += 4 * size;
  }
}

/** Bytes of scratch for sinkhornGradient: vectors of the start, of each half-step's result and divisors, and of the gradient. */
export function sinkhornGradientScratch(n: i32, iterations: i32, deepseek: bool): usize {
  return <usize>(2 * n * n + stepsOf(iterations, deepseek) * (n * n + n)) << 4;
}

/**
 * @param dOut ∂L/∂H_res [T, n, n] @param out ∂L/∂logits [T, n, n]
 * @param scratch of sinkhornGradientScratch(n, iterations, deepseek) bytes
 */
export function sinkhornGradient(
  logits: usize,
  dOut: usize,
  out: usize,
  tokens: i32,
  n: i32,
  iterations: i32,
  deepseek: bool,
  epsilon: f32,
  scratch: usize,
): void {
  const size = <usize>(n * n) << 2;
  const matrix = size << 2;
  const record = matrix + (<usize>n << 4);
  const steps = stepsOf(iterations, deepseek);
  const results = scratch + matrix;
  const g = results + steps * record;
  for (let t = 0; t < tokens; t += 4) {
    const count = min(4, tokens - t);
    startMatrix(logits, size, count, scratch, n, deepseek, epsilon);
    if (n == 4) halfSteps4(scratch, results, record, steps, epsilon);
    else {
      let from = scratch;
      let to = results;
      for (let k = 0; k < steps; k++) {
        halfStep(from, to, to + matrix, (k & 1) == 0, n, epsilon);
        from = to;
        to += record;
      }
    }
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) v128.store(g + (<usize>(i * n + j) << 4), gather(dOut, size, count, oriented(i, j, n, deepseek)));
    }
    if (n == 4) undoHalfSteps4(g, results, steps);
    else for (let k = steps - 1; k >= 0; k--) undoHalfStep(g, results + k * record, matrix, (k & 1) == 0, n);
    for (let i = 0; i < n; i++) {
      let inner = f32x4.splat(0);
      if (deepseek) {
        for (let j = 0; j < n; j++) {
          const at = <usize>(i * n + j) << 4;
          inner = f32x4.add(inner, f32x4.mul(v128.load(g + at), f32x4.sub(v128.load(scratch + at), f32x4.splat(epsilon))));
        }
      }
      for (let j = 0; j < n; j++) {
        const at = <usize>(i * n + j) << 4;
        const start = deepseek ? f32x4.sub(v128.load(scratch + at), f32x4.splat(epsilon)) : v128.load(scratch + at);
        scatter(f32x4.mul(start, f32x4.sub(v128.load(g + at), inner)), out, size, count, i * n + j);
      }
    }
    logits += 4 * size;
    dOut += 4 * size;
    out += 4 * size;
  }
}

/** gA = (gB − Σ_line(gB ∘ B)) / d in place; B = A / d and 1 / d are the half-step's record. */
function undoHalfStep(g: usize, record: usize, matrix: usize, columns: bool, n: i32): void {
  const along = <usize>(columns ? n : 1) << 4;
  const across = <usize>(columns ? 1 : n) << 4;
  const inverses = record + matrix;
  for (let line = 0; line < n; line++) {
    const at = line * across;
    let inner = f32x4.splat(0);
    for (let k = 0; k < n; k++) {
      inner = f32x4.add(inner, f32x4.mul(v128.load(g + at + k * along), v128.load(record + at + k * along)));
    }
    const inverse = v128.load(inverses + (<usize>line << 4));
    for (let k = 0; k < n; k++) {
      v128.store(g + at + k * along, f32x4.mul(f32x4.sub(v128.load(g + at + k * along), inner), inverse));
    }
  }
}
