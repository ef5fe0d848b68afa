/**
 * Sinkhorn–Knopp on WebGPU: one thread per matrix, which never leaves its registers. The gradient keeps the sums of each iteration, n
 * numbers, and walks back from the result: with B = A / d it needs B and d only, gA = (gB − Σ gB∘B) / d and A = B d.
 */
import type { Operation } from '../operation.ts';
import { readSinkhornAttributes, SINKHORN, SINKHORN_GRADIENT, type SinkhornAttributes } from '../operations/sinkhorn.ts';
import { bindings } from './elements.ts';
import { LANES, runShader, type Shader, sizeOf, webgpuKernel } from './program.ts';

interface Options extends SinkhornAttributes {
  n: number;
}

/** The matrices are written out, entry by entry: `m2_3`. */
const indices = (n: number) => Array.from({ length: n }, (_, i) => i);
const every = (n: number, line: (i: number, j: number) => string) =>
  indices(n)
    .flatMap((i) => indices(n).map((j) => line(i, j)))
    .join('\n');

/** Entries of a row or a column. */
const along = (axis: 'row' | 'column', index: number, n: number, of: (i: number, j: number) => string) =>
  indices(n).map((k) => (axis === 'row' ? of(index, k) : of(k, index)));

/** Divides by the sums of rows or columns. @param keep WGSL that stores `d`, a sum, as number `index` of its kind */
function divide(axis: 'row' | 'column', { n, epsilon }: Options, keep: (index: number) => string = () => ''): string {
  return indices(n)
    .map((index) => {
      const entries = along(axis, index, n, (i, j) => `m${i}_${j}`);
      return `{ let d = ${entries.join(' + ')} + ${epsilon}f; ${keep(index)} let r = 1f / d; ${entries.map((e) => `${e} *= r;`).join(' ')} }`;
    })
    .join('\n');
}

/** Back through one such division. @param kept WGSL of the sum number `index` */
function undivide(axis: 'row' | 'column', { n }: Options, kept: (index: number) => string): string {
  return indices(n)
    .map((index) => {
      const entries = along(axis, index, n, (i, j) => `${i}_${j}`);
      const inner = entries.map((e) => `g${e} * m${e}`).join(' + ');
      return `{ let d = ${kept(index)}; let r = 1f / d; let inner = ${inner}; ${entries.map((e) => `g${e} = (g${e} - inner) * r; m${e} *= d;`).join(' ')} }`;
    })
    .join('\n');
}

/** Declares m, the matrix before the first division. deepseek: a softmax over each row, plus ε. */
function start({ n, deepseek, epsilon }: Options): string {
  const load = every(n, (i, j) => `var m${i}_${j} = logits[base + ${i * n + j}u];`);
  const axis = deepseek ? 'row' : 'column';
  const exponentials = indices(n).map((index) => {
    const entries = along(axis, index, n, (i, j) => `m${i}_${j}`);
    const largest = entries.reduce((a, b) => `max(${a}, ${b})`);
    const softmax = deepseek
      ? `let r = 1f / (${entries.join(' + ')}); ${entries.map((e) => `${e} = ${e} * r + ${epsilon}f;`).join(' ')}`
      : '';
    return `{ let top = ${largest}; ${entries.map((e) => `${e} = exp(${e} - top);`).join(' ')} ${softmax} }`;
  });
  return `${load}\n${exponentials.join('\n')}`;
}

/** deepseek: columns first, then rows and columns T − 1 times. */
const [FIRST, SECOND] = ['column', 'row'] as const;

function forwardShader(options: Options): Shader {
  const { n, iterations, deepseek } = options;
  const loop = deepseek
    ? `${divide(FIRST, options)}
  for (var t = 1u; t < ${iterations}u; t++) { ${divide(SECOND, options)} ${divide(FIRST, options)} }`
    : `for (var t = 0u; t < ${iterations}u; t++) { ${divide(FIRST, options)} ${divide(SECOND, options)} }`;
  return matrixShader(
    'sinkhorn',
    options,
    ['logits'],
    `${start(options)}
  ${loop}
  ${every(n, (i, j) => `result[base + ${deepseek ? j * n + i : i * n + j}u] = m${i}_${j};`)}`,
  );
}

/** A shader that makes `result` of one matrix in a thread. */
function matrixShader(name: string, options: Options, inputs: string[], body: string): Shader {
  return {
    key: `${name} ${Object.values(options).join(' ')}`,
    inputs: bindings('f32', ...inputs),
    outputs: [['result', 'f32']],
    uniforms: [['count', 'u32']],
    lanes: LANES,
    code: () => `
fn run(group: u32, lane: u32) {
  let matrix = group * ${LANES}u + lane;
  if (matrix >= uniforms.count) { return; }
  let base = matrix * ${options.n * options.n}u;
  ${body}
}`,
  };
}

/** deepseek adds ε to the sums; the softmax is undone from its own values. */
function gradientShader(options: Options): Shader {
  const { n, iterations, deepseek } = options;
  const keep = (half: 0 | 1) => (index: number) => `sums[(2u * t + ${half}u) * ${n}u + ${index}u] = d;`;
  const kept = (half: 0 | 1) => (index: number) => `sums[(2u * t + ${half}u) * ${n}u + ${index}u]`;
  const paper = {
    there: `for (var t = 0u; t < ${iterations}u; t++) { ${divide(FIRST, options, keep(0))} ${divide(SECOND, options, keep(1))} }`,
    back: `for (var step = 0u; step < ${iterations}u; step++) {
    let t = ${iterations - 1}u - step;
    ${undivide(SECOND, options, kept(1))}
    ${undivide(FIRST, options, kept(0))}
  }`,
    logits: every(n, (i, j) => `result[base + ${i * n + j}u] = g${i}_${j} * m${i}_${j};`),
  };
  const deep = {
    there: `{ let t = 0u; ${divide(FIRST, options, keep(1))} }
  for (var t = 1u; t < ${iterations}u; t++) { ${divide(SECOND, options, keep(0))} ${divide(FIRST, options, keep(1))} }`,
    back: `for (var step = 1u; step < ${iterations}u; step++) {
    let t = ${iterations}u - step;
    ${undivide(FIRST, options, kept(1))}
    ${undivide(SECOND, options, kept(0))}
  }
  { let t = 0u; ${undivide(FIRST, options, kept(1))} }`,
    logits: `${every(n, (i, j) => `m${i}_${j} -= ${options.epsilon}f;`)}
  ${indices(n)
    .map((i) => {
      const inner = indices(n).map((j) => `g${i}_${j} * m${i}_${j}`);
      return `{ let inner = ${inner.join(' + ')}; ${indices(n)
        .map((j) => `result[base + ${i * n + j}u] = m${i}_${j} * (g${i}_${j} - inner);`)
        .join(' ')} }`;
    })
    .join('\n')}`,
  };
  const way = deepseek ? deep : paper;
  return matrixShader(
    'sinkhorn gradient',
    options,
    ['logits', 'dy'],
    `var sums: array<f32, ${2 * iterations * n}>;
  ${start(options)}
  ${way.there}
  ${every(n, (i, j) => `var g${i}_${j} = dy[base + ${deepseek ? j * n + i : i * n + j}u];`)}
  ${way.back}
  ${way.logits}`,
  );
}

/** Numbers in the variables of a thread: WGSL gives it 8192 bytes at least ("Limits"). Ours beside the arrays take 64 at most. */
const [THREAD_NUMBERS, OTHER_NUMBERS] = [2048, 64];

const kernel = (operation: Operation, shaderOf: (options: Options) => Shader) =>
  webgpuKernel(operation, ({ backend, inputs, outputs, attributes }) => {
    const { shape } = inputs[0];
    const { iterations, deepseek, epsilon } = readSinkhornAttributes(attributes);
    const n = shape.at(-1) as number;
    const most = Math.floor((THREAD_NUMBERS - 2 * n * n - OTHER_NUMBERS) / (2 * n));
    if (iterations > most) throw new Error(`sinkhorn: on webgpu, with n = ${n}, iterations must be at most ${most}, got ${iterations}`);
    const options = { n, iterations, deepseek, epsilon: deepseek ? epsilon : 0 };
    const count = sizeOf(shape.slice(0, -2));
    runShader(backend, shaderOf(options), inputs, outputs, [count], Math.ceil(count / LANES));
  });

export const sinkhornKernels = [kernel(SINKHORN, forwardShader), kernel(SINKHORN_GRADIENT, gradientShader)];
