/**
 * The shaders of the webgpu sampler: each part of a step is reduced on the device and written to its range in the step's buffer. The
 * parts are those of sampler.ts. Nothing here is differentiated or awaited.
 */
import type * as tf from '@tensorflow/tfjs';
import { type Binding, bindings, elementOf, innerCode, PACK, stored } from '../../src/kernels/webgpu/elements.ts';
import { isReadable } from '../../src/kernels/webgpu/packed.ts';
import { hasSubgroups, runShader, type Shader, sizeOf, type WebGPUBackend } from '../../src/kernels/webgpu/program.ts';
import { onDevice } from '../../src/kernels/webgpu/untracked.ts';
import { lanesFor, reduceCode } from '../../src/kernels/webgpu/workgroupSum.ts';
import type { ConnectionTensors } from './sampler.ts';

/** Where parts of a step are written. */
export interface SampleTarget {
  readonly backend: WebGPUBackend;
  /** Float32. */
  readonly result: tf.TensorInfo;
  /** S. */
  readonly tokens: number;
  /** Positions of the sampled tokens in a tensor of `count` tokens, as int32 [S]. */
  readonly positions: (count: number) => tf.TensorInfo;
}

function sampleShader(
  n: number,
  channels: number,
  has: { mapping: boolean; logits: boolean; streams: boolean },
  packed: { input: boolean; output: boolean },
  subgroups: boolean,
): Shader {
  const wide = packed.input || packed.output;
  const { element, count } = elementOf(channels, wide);
  const [x, y] = [stored('input', element, packed.input), stored('output', element, packed.output)];
  const pairs = (n * (n + 1)) / 2;
  const lanes = has.streams ? lanesFor(count, pairs + 1, subgroups, 128) : 32;
  const inputs: Binding[] = [];
  if (has.mapping) inputs.push(['mapping', 'f32'], ['mappingPositions', 'i32']);
  if (has.logits) inputs.push(['logits', 'f32']);
  if (has.streams) inputs.push(x.binding, y.binding);
  if (has.logits || has.streams) inputs.push(['positions', 'i32']);
  const size = n * n;
  const gram = has.streams
    ? `
  var sums: array<f32, ${pairs + 1}>;
  let base = u32(positions[s]) * ${n * count}u;
  for (var c = lane; c < ${count}u; c += ${lanes}u) {
    var y: array<${element}, ${n}>;
    for (var i = 0u; i < ${n}u; i++) {
      y[i] = ${y.at(`base + i * ${count}u + c`)};
      let x = ${x.at(`base + i * ${count}u + c`)};
      sums[${pairs}] += inner(x, x);
    }
    var k = 0u;
    for (var i = 0u; i < ${n}u; i++) {
      for (var j = i; j < ${n}u; j++) {
        sums[k] += inner(y[i], y[j]);
        k++;
      }
    }
  }
  reduce(&sums, lane);
  for (var k = lane; k < ${size}u; k += ${lanes}u) {
    let i = min(k / ${n}u, k % ${n}u);
    let j = max(k / ${n}u, k % ${n}u);
    result[uniforms.at + (2u * uniforms.tokens + s) * ${size}u + k] = total[i * ${n}u - i * (i + 1u) / 2u + j];
  }
  if (lane == 0u) { result[uniforms.at + uniforms.tokens * ${3 * size}u + s] = total[${pairs}]; }`
    : `
  for (var k = lane; k < ${size}u; k += ${lanes}u) { result[uniforms.at + (2u * uniforms.tokens + s) * ${size}u + k] = uniforms.nan; }
  if (lane == 0u) { result[uniforms.at + uniforms.tokens * ${3 * size}u + s] = uniforms.nan; }`;
  return {
    key: `sample ${n} ${channels} ${Object.values(has)} ${Object.values(packed)}`,
    inputs,
    outputs: [['result', 'f32']],
    uniforms: bindings('u32', 'at', 'tokens'),
    lanes,
    code: () => `
${wide ? PACK : ''}
${has.streams ? `${innerCode(element)}\n${reduceCode(pairs + 1, lanes, subgroups)}` : ''}
fn run(s: u32, lane: u32) {
  if (s >= uniforms.tokens) { return; }
  for (var k = lane; k < ${size}u; k += ${lanes}u) {
    let to = uniforms.at + s * ${size}u + k;
    result[to] = ${has.mapping ? `mapping[u32(mappingPositions[s]) * ${size}u + k]` : `select(0f, 1f, k % ${n + 1}u == 0u)`};
    result[to + uniforms.tokens * ${size}u] = ${has.logits ? `logits[u32(positions[s]) * ${size}u + k]` : 'uniforms.nan'};
  }
  ${gram}
}`,
  };
}

/** Writes the sampleSize(tokens, n) values of one connection to `result[at]` on. */
export function sampleInto(target: SampleTarget, { mapping, logits, input, output }: ConnectionTensors, n: number, at: number): void {
  const { backend, tokens, positions, result } = target;
  const inputs: tf.TensorInfo[] = [];
  if (mapping !== null) inputs.push(mapping, positions(mapping.size / (n * n)));
  if (logits !== null) inputs.push(logits);
  const streams = input !== null && output !== null;
  if (streams) inputs.push(input, output);
  const channels = streams ? (output.shape.at(-1) as number) : 1;
  if (streams) inputs.push(positions(output.size / (n * channels)));
  else if (logits !== null) inputs.push(positions(logits.size / (n * n)));
  const has = { mapping: mapping !== null, logits: logits !== null, streams };
  const packed = { input: streams && isReadable(backend, input), output: streams && isReadable(backend, output) };
  const shader = sampleShader(n, channels, has, packed, hasSubgroups(backend));
  onDevice(backend, inputs, (there) => runShader(backend, shader, there, [result], [at, tokens], tokens));
}

function squaresShader(row: number, subgroups: boolean): Shader {
  const { element, count } = elementOf(row);
  const lanes = lanesFor(count, 1, subgroups);
  return {
    key: `sample squares ${row}`,
    inputs: [...bindings(element, 'streams'), ...bindings('i32', 'positions')],
    outputs: [['result', 'f32']],
    uniforms: bindings('u32', 'at', 'tokens'),
    lanes,
    code: () => `
${innerCode(element)}
${reduceCode(1, lanes, subgroups)}
fn run(s: u32, lane: u32) {
  if (s >= uniforms.tokens) { return; }
  var sums: array<f32, 1>;
  let base = u32(positions[s]) * ${count}u;
  for (var c = lane; c < ${count}u; c += ${lanes}u) { sums[0] += inner(streams[base + c], streams[base + c]); }
  reduce(&sums, lane);
  if (lane == 0u) { result[uniforms.at + s] = total[0]; }
}`,
  };
}

/** Writes the sum of squares of each sampled row, S values, to `result[at]` on. @param row values of one */
export function squaresInto({ backend, tokens, positions, result }: SampleTarget, streams: tf.TensorInfo, row: number, at: number): void {
  const inputs = [streams, positions(sizeOf(streams.shape) / row)];
  const shader = squaresShader(row, hasSubgroups(backend));
  onDevice(backend, inputs, (there) => runShader(backend, shader, there, [result], [at, tokens], tokens));
}

/** `count` values of a float32 tensor from `from` on, and where they go. */
export interface Copy {
  tensor: tf.TensorInfo;
  from: number;
  count: number;
  to: number;
}

/** Every device binds eight tensors (WebGPU's least maxStorageBuffersPerShaderStage); one is the result. */
const MAX_COPIES = 7;

function copyShader(count: number): Shader {
  const ranges = Array.from({ length: count }, (_, i) => i);
  return {
    key: `sample copy ${count}`,
    inputs: bindings('f32', ...ranges.map((i) => `x${i}`)),
    outputs: [['result', 'f32']],
    uniforms: bindings('u32', ...ranges.flatMap((i) => [`from${i}`, `count${i}`, `to${i}`])),
    lanes: 32,
    code: () => `
fn run(group: u32, lane: u32) {
  ${ranges
    .map(
      (i) =>
        `if (group == ${i}u) { for (var k = lane; k < uniforms.count${i}; k += 32u) { result[uniforms.to${i} + k] = x${i}[uniforms.from${i} + k]; } }`,
    )
    .join('\n  ')}
}`,
  };
}

/** Copies values to `result`. @param copies of different tensors */
export function copyInto({ backend, result }: SampleTarget, copies: readonly Copy[]): void {
  for (let at = 0; at < copies.length; at += MAX_COPIES) {
    const some = copies.slice(at, at + MAX_COPIES);
    const numbers = some.flatMap(({ from, count, to }) => [from, count, to]);
    const tensors = some.map(({ tensor }) => tensor);
    onDevice(backend, tensors, (there) => runShader(backend, copyShader(some.length), there, [result], numbers, some.length));
  }
}
