/** K4 and K5 on WebGPU. Sums over channels are one workgroup per token; what has none is one thread per element. */
import { READ_STREAMS, READ_STREAMS_GRADIENT, WRITE_STREAMS, WRITE_STREAMS_GRADIENT } from '../streams.ts';
import { type Binding, bindingsAtMost, elementOf, hasSubgroups, runShader, type Shader, sizeOf, webgpuKernel } from './program.ts';
import { innerCode, lanesFor, reduceCode } from './reduce.ts';

const LANES = 64;

/** Tokens, n and C of streams `[..., n, C]`. */
function sizesOf(shape: readonly number[]): { tokens: number; n: number; channels: number } {
  const [n, channels] = shape.slice(-2);
  return { tokens: sizeOf(shape.slice(0, -2)), n, channels };
}

function readShader(n: number, channels: number): Shader {
  const { element, count } = elementOf(channels);
  return {
    key: `read ${n} ${channels}`,
    inputs: [
      ['pre', 'f32'],
      ['x', element],
    ],
    outputs: [['u', element]],
    uniforms: [['size', 'u32']],
    lanes: LANES,
    code: () => `
fn run(group: u32, lane: u32) {
  let i = group * ${LANES}u + lane;
  if (i >= uniforms.size) { return; }
  let t = i / ${count}u;
  let c = i % ${count}u;
  var sum = ${element}();
  for (var j = 0u; j < ${n}u; j++) { sum += pre[t * ${n}u + j] * x[(t * ${n}u + j) * ${count}u + c]; }
  u[i] = sum;
}`,
  };
}

function readGradientShader(n: number, channels: number, subgroups: boolean): Shader {
  const { element, count } = elementOf(channels);
  const lanes = lanesFor(count, n, subgroups);
  return {
    key: `read gradient ${n} ${channels}`,
    inputs: [
      ['pre', 'f32'],
      ['x', element],
      ['du', element],
      ['through', element],
    ],
    outputs: [
      ['dPre', 'f32'],
      ['dx', element],
    ],
    uniforms: [['tokens', 'u32']],
    lanes,
    code: () => `
${innerCode(element)}
${reduceCode(n, lanes, subgroups)}
fn run(t: u32, lane: u32) {
  if (t >= uniforms.tokens) { return; }
  var sums: array<f32, ${n}>;
  for (var c = lane; c < ${count}u; c += ${lanes}u) {
    let d = du[t * ${count}u + c];
    for (var j = 0u; j < ${n}u; j++) {
      let at = (t * ${n}u + j) * ${count}u + c;
      sums[j] += inner(d, x[at]);
      dx[at] = through[at] + pre[t * ${n}u + j] * d;
    }
  }
  reduce(&sums, lane);
  if (lane < ${n}u) { dPre[t * ${n}u + lane] = total[lane]; }
}`,
  };
}

function writeShader(n: number, channels: number): Shader {
  const { element, count } = elementOf(channels);
  return {
    key: `write ${n} ${channels}`,
    inputs: [
      ['res', 'f32'],
      ['x', element],
      ['post', 'f32'],
      ['branch', element],
    ],
    outputs: [['result', element]],
    uniforms: [['size', 'u32']],
    lanes: LANES,
    code: () => `
fn run(group: u32, lane: u32) {
  let index = group * ${LANES}u + lane;
  if (index >= uniforms.size) { return; }
  let t = index / ${count}u;
  let c = index % ${count}u;
  var streams: array<${element}, ${n}>;
  for (var j = 0u; j < ${n}u; j++) { streams[j] = x[(t * ${n}u + j) * ${count}u + c]; }
  let f = branch[index];
  for (var i = 0u; i < ${n}u; i++) {
    var sum = post[t * ${n}u + i] * f;
    for (var j = 0u; j < ${n}u; j++) { sum += res[(t * ${n}u + i) * ${n}u + j] * streams[j]; }
    result[(t * ${n}u + i) * ${count}u + c] = sum;
  }
}`,
  };
}

/** One pass gives all four gradients; where a device binds too few tensors, one pass gives each half of them. */
type Part = 'all' | 'streams' | 'coefficients';

function writeGradientShader(n: number, channels: number, subgroups: boolean, part: Part): Shader {
  const { element, count } = elementOf(channels);
  const [streams, coefficients] = [part !== 'coefficients', part !== 'streams'];
  const values = n * n + n;
  const lanes = lanesFor(count, coefficients ? values : 1, subgroups, 128);
  const inputs: Binding[] = [];
  if (streams) inputs.push(['res', 'f32'], ['post', 'f32']);
  if (coefficients) inputs.push(['x', element], ['branch', element]);
  const outputs: Binding[] = [];
  if (coefficients) outputs.push(['dRes', 'f32'], ['dPost', 'f32']);
  if (streams) outputs.push(['dx', element], ['dBranch', element]);
  const ofStreams = `
    var sum = ${element}();
    for (var i = 0u; i < ${n}u; i++) { sum += post[t * ${n}u + i] * d[i]; }
    dBranch[t * ${count}u + c] = sum;
    for (var j = 0u; j < ${n}u; j++) {
      var column = ${element}();
      for (var i = 0u; i < ${n}u; i++) { column += res[(t * ${n}u + i) * ${n}u + j] * d[i]; }
      dx[(t * ${n}u + j) * ${count}u + c] = column;
    }`;
  const ofCoefficients = `
    let f = branch[t * ${count}u + c];
    for (var i = 0u; i < ${n}u; i++) { sums[${n * n}u + i] += inner(d[i], f); }
    for (var j = 0u; j < ${n}u; j++) {
      let stream = x[(t * ${n}u + j) * ${count}u + c];
      for (var i = 0u; i < ${n}u; i++) { sums[i * ${n}u + j] += inner(d[i], stream); }
    }`;
  return {
    key: `write gradient ${n} ${channels} ${part}`,
    inputs: [...inputs, ['dOut', element]],
    outputs,
    uniforms: [['tokens', 'u32']],
    lanes,
    code: () => `
${innerCode(element)}
${coefficients ? reduceCode(values, lanes, subgroups) : ''}
fn run(t: u32, lane: u32) {
  if (t >= uniforms.tokens) { return; }
  ${coefficients ? `var sums: array<f32, ${values}>;` : ''}
  for (var c = lane; c < ${count}u; c += ${lanes}u) {
    var d: array<${element}, ${n}>;
    for (var i = 0u; i < ${n}u; i++) { d[i] = dOut[(t * ${n}u + i) * ${count}u + c]; }
    ${streams ? ofStreams : ''}
    ${coefficients ? ofCoefficients : ''}
  }
  ${
    coefficients
      ? `reduce(&sums, lane);
  for (var k = lane; k < ${n * n}u; k += ${lanes}u) { dRes[t * ${n * n}u + k] = total[k]; }
  if (lane < ${n}u) { dPost[t * ${n}u + lane] = total[${n * n}u + lane]; }`
      : ''
  }
}`,
  };
}

const read = webgpuKernel(READ_STREAMS, ({ backend, inputs, outputs }) => {
  const { tokens, n, channels } = sizesOf(inputs[1].shape);
  const size = tokens * elementOf(channels).count;
  runShader(backend, readShader(n, channels), inputs, outputs, [size], Math.ceil(size / LANES));
});

const readGradient = webgpuKernel(READ_STREAMS_GRADIENT, ({ backend, inputs, outputs }) => {
  const { tokens, n, channels } = sizesOf(inputs[1].shape);
  runShader(backend, readGradientShader(n, channels, hasSubgroups(backend)), inputs, outputs, [tokens], tokens);
});

const write = webgpuKernel(WRITE_STREAMS, ({ backend, inputs, outputs }) => {
  const { tokens, n, channels } = sizesOf(inputs[1].shape);
  const size = tokens * elementOf(channels).count;
  runShader(backend, writeShader(n, channels), inputs, outputs, [size], Math.ceil(size / LANES));
});

const writeGradient = webgpuKernel(WRITE_STREAMS_GRADIENT, ({ backend, inputs, outputs }) => {
  const [res, x, post, branch, dOut] = inputs;
  const [dRes, dx, dPost, dBranch] = outputs;
  const { tokens, n, channels } = sizesOf(x.shape);
  const shader = (part: Part) => writeGradientShader(n, channels, hasSubgroups(backend), part);
  if (bindingsAtMost(backend) >= 9) {
    runShader(backend, shader('all'), [res, post, x, branch, dOut], [dRes, dPost, dx, dBranch], [tokens], tokens);
  } else {
    runShader(backend, shader('coefficients'), [x, branch, dOut], [dRes, dPost], [tokens], tokens);
    runShader(backend, shader('streams'), [res, post, dOut], [dx, dBranch], [tokens], tokens);
  }
});

export const streamsOnWebGPU = [read, readGradient, write, writeGradient];
