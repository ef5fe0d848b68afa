/**
 * The projection and the inverse RMS on WebGPU. x is read once in four rows a thread; the few columns of W come from the cache. dW is
 * added up in chunks of rows and then over the chunks, in a fixed order: TF.js's matMul takes atomic additions there, whose order is not.
 */
import { PROJECT, PROJECT_GRADIENT } from '../operations/project.ts';
import { bindings, build, elementOf, innerCode, PACK, pick, stored } from './elements.ts';
import { isReadable } from './packed.ts';
import { LANES, runShader, type Shader, sizeOf, webgpuKernel } from './program.ts';
import { inChunks } from './sum.ts';

/** Rows of x a thread works on. */
const ROWS = 4;
/** Threads beside each other in rows: a workgroup has 16 rows. */
const ROW_THREADS = 4;
/** Threads that every device takes in a workgroup (WebGPU, "Limits"); how many of them may share a row's sum is our choice. */
const [MAX_THREADS, MAX_SPLITS] = [256, 16];
/** Threads that fill a card, and rows that each of them has at least: our choice. */
const [ENOUGH_THREADS, MIN_CHUNK_ROWS] = [32768, 32];
const four = Array.from({ length: 4 }, (_, i) => i);

/** Columns of W (or dp) in fours: one access where M allows it. Columns past M hold what follows them; they are not used. */
const columns = (width: number) => ({
  element: width % 4 === 0 ? 'vec4f' : 'f32',
  groups: Math.ceil(width / 4),
  load: (name: string, row: string, group: string) =>
    width % 4 === 0
      ? `${name}[(${row}) * ${width / 4}u + ${group}]`
      : `vec4f(${four.map((c) => `${name}[(${row}) * ${width}u + ${group} * 4u + ${c}u]`).join(', ')})`,
});

function forwardShader(length: number, width: number, epsilon: number, packed: boolean): Shader {
  const { element, components, count } = elementOf(length, packed);
  const x = stored('x', element, packed);
  const w = columns(width);
  // The threads that share rows and columns split K between them.
  let splits = 1;
  while (2 * splits * ROW_THREADS * w.groups <= MAX_THREADS && splits < MAX_SPLITS) splits *= 2;
  const blocks = ROW_THREADS * w.groups;
  const half = Math.max(1, splits / 2);
  const parts = Array.from({ length: components }, (_, q) => q);
  return {
    key: `project ${length} ${width} ${epsilon} ${packed}`,
    inputs: [x.binding, ['w', w.element]],
    outputs: bindings('f32', 'p', 's'),
    uniforms: [['rows', 'u32']],
    lanes: blocks * splits,
    code: () => `
${packed ? PACK : ''}
${innerCode(element)}
var<workgroup> sums: array<vec4f, ${half * blocks * ROWS}>;
var<workgroup> squares: array<vec4f, ${half * ROW_THREADS}>;
fn run(group: u32, lane: u32) {
  let part = lane % ${splits}u;
  let block = lane / ${splits}u;
  let columns = block % ${w.groups}u;
  let first = (group * ${ROW_THREADS}u + block / ${w.groups}u) * ${ROWS}u;
  var sum: array<vec4f, ${ROWS}>;
  var square: vec4f;
  for (var k = part; k < ${count}u; k += ${splits}u) {
    ${parts.map((q) => `let w${q} = ${w.load('w', `k * ${components}u + ${q}u`, 'columns')};`).join('\n    ')}
    ${four
      .map(
        (r) => `let x${r} = ${x.at(`min(first + ${r}u, uniforms.rows - 1u) * ${count}u + k`)};
    sum[${r}] += ${parts.map((q) => `${pick(`x${r}`, q, components)} * w${q}`).join(' + ')};
    square[${r}] += inner(x${r}, x${r});`,
      )
      .join('\n    ')}
  }
  for (var half = ${splits / 2}u; half > 0u; half /= 2u) {
    let at = (part - half) * ${blocks}u + block;
    if (part >= half && part < 2u * half) {
      for (var r = 0u; r < ${ROWS}u; r++) { sums[at * ${ROWS}u + r] = sum[r]; }
      if (columns == 0u) { squares[(part - half) * ${ROW_THREADS}u + block / ${w.groups}u] = square; }
    }
    workgroupBarrier();
    if (part < half) {
      for (var r = 0u; r < ${ROWS}u; r++) { sum[r] += sums[(part * ${blocks}u + block) * ${ROWS}u + r]; }
      square += squares[part * ${ROW_THREADS}u + block / ${w.groups}u];
    }
    workgroupBarrier();
  }
  if (part > 0u) { return; }
  for (var r = 0u; r < ${ROWS}u && first + r < uniforms.rows; r++) {
    for (var c = 0u; c < 4u && columns * 4u + c < ${width}u; c++) { p[(first + r) * ${width}u + columns * 4u + c] = sum[r][c]; }
    if (columns == 0u) { s[first + r] = 1f / sqrt(square[r] / ${length}f + ${epsilon}f); }
  }
}`,
  };
}

function inputGradientShader(length: number, width: number, packed: boolean): Shader {
  const { element, components, count } = elementOf(length, packed);
  const x = stored('x', element, packed);
  const w = columns(width);
  const whole = width % 4 === 0;
  const parts = Array.from({ length: components }, (_, q) => q);
  const add = whole
    ? (r: number) => build(parts.map((q) => `dot(d${r}, w${q})`))
    : (r: number) => `d${r} * ${build(parts.map((q) => `w${q}`))}`;
  const steps = whole ? width / 4 : width;
  return {
    key: `project dx ${length} ${width} ${packed}`,
    inputs: [x.binding, ['w', w.element], ['s', 'f32'], ['dp', w.element], ['ds', 'f32'], ['through', element]],
    outputs: [['dx', element]],
    uniforms: [['rows', 'u32']],
    lanes: LANES,
    code: () => `
${packed ? PACK : ''}
fn run(group: u32, lane: u32) {
  let index = group * ${LANES}u + lane;
  let k = index % ${count}u;
  let first = index / ${count}u * ${ROWS}u;
  if (first >= uniforms.rows) { return; }
  var sum: array<${element}, ${ROWS}>;
  for (var m = 0u; m < ${steps}u; m++) {
    ${parts.map((q) => `let w${q} = w[(k * ${components}u + ${q}u) * ${steps}u + m];`).join('\n    ')}
    ${four.map((r) => `let d${r} = dp[min(first + ${r}u, uniforms.rows - 1u) * ${steps}u + m];`).join('\n    ')}
    ${four.map((r) => `sum[${r}] += ${add(r)};`).join('\n    ')}
  }
  for (var r = first; r < min(first + ${ROWS}u, uniforms.rows); r++) {
    let at = r * ${count}u + k;
    dx[at] = through[at] + sum[r - first] - (ds[r] * s[r] * s[r] * s[r] / ${length}f) * ${x.at('at')};
  }
}`,
  };
}

function weightGradientShader(length: number, width: number, packed: boolean): Shader {
  const { element, components, count } = elementOf(length, packed);
  const x = stored('x', element, packed);
  const d = columns(width);
  const parts = Array.from({ length: components }, (_, q) => q);
  return {
    key: `project dw ${length} ${width} ${packed}`,
    inputs: [x.binding, ['dp', d.element]],
    outputs: [['dw', 'f32']],
    uniforms: bindings('u32', 'rows', 'chunk', 'chunks'),
    lanes: LANES,
    code: () => `
${packed ? PACK : ''}
fn run(group: u32, lane: u32) {
  let index = group * ${LANES}u + lane;
  let k = index % ${count}u;
  let columns = index / ${count}u % ${d.groups}u;
  let z = index / ${count * d.groups}u;
  if (z >= uniforms.chunks) { return; }
  var sum: array<vec4f, ${components}>;
  for (var r = z * uniforms.chunk; r < min((z + 1u) * uniforms.chunk, uniforms.rows); r++) {
    let value = ${x.at(`r * ${count}u + k`)};
    let d = ${d.load('dp', 'r', 'columns')};
    ${parts.map((q) => `sum[${q}] += ${pick('value', q, components)} * d;`).join('\n    ')}
  }
  for (var q = 0u; q < ${components}u; q++) {
    let at = (z * ${length}u + k * ${components}u + q) * ${width}u + columns * 4u;
    for (var c = 0u; c < 4u && columns * 4u + c < ${width}u; c++) { dw[at + c] = sum[q][c]; }
  }
}`,
  };
}

const forward = webgpuKernel(PROJECT, ({ backend, inputs, outputs, attributes }) => {
  const [length, width] = inputs[1].shape;
  const rows = sizeOf(outputs[1].shape);
  const shader = forwardShader(length, width, attributes['epsilon'] as number, isReadable(backend, inputs[0]));
  runShader(backend, shader, inputs, outputs, [rows], Math.ceil(rows / (ROWS * ROW_THREADS)));
});

const gradient = webgpuKernel(PROJECT_GRADIENT, ({ backend, inputs, outputs: [dx, dw] }) => {
  const [x, w, s, dp] = inputs;
  const [length, width] = w.shape;
  const rows = sizeOf(s.shape);
  const packed = isReadable(backend, x);
  const { count } = elementOf(length, packed);
  const shader = inputGradientShader(length, width, packed);
  runShader(backend, shader, inputs, [dx], [rows], Math.ceil((Math.ceil(rows / ROWS) * count) / LANES));
  const blocks = count * Math.ceil(width / 4);
  const chunks = Math.max(1, Math.min(Math.ceil(ENOUGH_THREADS / blocks), Math.ceil(rows / MIN_CHUNK_ROWS)));
  inChunks(backend, chunks, dw, (target) => {
    const sizes = [rows, Math.ceil(rows / chunks), chunks];
    runShader(backend, weightGradientShader(length, width, packed), [x, dp], [target], sizes, Math.ceil((blocks * chunks) / LANES));
  });
});

export const projectKernels = [forward, gradient];
