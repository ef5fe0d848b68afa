/**
 * What hyperMaps and manifoldMaps share on WebGPU. Forward: one thread per value. The gradients of α and b are sums over all tokens:
 * each workgroup adds up some tiles of tokens, and one more adds up the workgroups, in a fixed order.
 */
import type * as tf from '@tensorflow/tfjs';
import type { Operation } from '../operation.ts';
import { streamsOf } from '../operations/coefficients.ts';
import { bindings } from './elements.ts';
import { bindingsAtMost, makeOutput, runShader, type Shader, sizeOf, webgpuKernel } from './program.ts';

const LANES = 128;
/** Our choice: three arrays of so many values take 12 of the 16 KB of workgroup memory that every device has. */
const MAX_TILE_VALUES = 1024;
const MAX_TILE_TOKENS = 64;
/** Our choice: enough for a card with 128 multiprocessors; one workgroup adds their sums up. */
const MAX_GROUPS = 128;

/** What sets HC and mHC apart. An entry e is one of the n² + 2n values of a token, in the order of p. */
export interface Maps {
  name: string;
  /** Entries for each value of s. */
  perScale: (n: number) => number;
  /** Declares `fn entryAt(t: u32, e: u32) -> Entry`: where entry e of token t stands. */
  entryAt: (n: number) => string;
  /** Declares the function that bounds a value. */
  bound: string;
  /** WGSL that writes a value to `to`, from z = s p. */
  write: (epsilon: number) => string;
  /** WGSL that takes `g`, the gradient of pre, post or res, back through what is applied last. Does it read b? */
  outerGradient: string;
  outerTakesB: boolean;
  /** WGSL of `y`, what α multiplies, and `dz`, the gradient of z. */
  innerGradient: string;
}

/** `part` says which α, `b` the index in b, `at` that in pre, post or res. */
const ENTRY = 'struct Entry { part: u32, b: u32, at: u32 }';

/** Tokens of a tile: their entries fit into workgroup memory. */
function tileOf(width: number): number {
  let tile = 1;
  while (2 * tile * width <= MAX_TILE_VALUES && tile < MAX_TILE_TOKENS) tile *= 2;
  return tile;
}

function forwardShader(maps: Maps, n: number, epsilon: number): Shader {
  const width = n * n + 2 * n;
  return {
    key: `${maps.name} maps ${n} ${epsilon}`,
    inputs: bindings('f32', 'p', 's', 'alpha', 'b'),
    outputs: bindings('f32', 'pre', 'post', 'res'),
    uniforms: [['size', 'u32']],
    lanes: LANES,
    code: () => `
${ENTRY}
${maps.entryAt(n)}
${maps.bound}
fn run(group: u32, lane: u32) {
  let i = group * ${LANES}u + lane;
  if (i >= uniforms.size) { return; }
  let to = entryAt(i / ${width}u, i % ${width}u);
  let z = s[i / ${maps.perScale(n)}u] * p[i];
  ${maps.write(epsilon)}
}`,
  };
}

const forwardKernel = (operation: Operation, maps: Maps) =>
  webgpuKernel(operation, ({ backend, inputs, outputs, attributes }) => {
    const size = sizeOf(inputs[0].shape);
    const shader = forwardShader(maps, streamsOf(sizeOf(inputs[3].shape)), (attributes['epsilon'] as number | undefined) ?? 0);
    runShader(backend, shader, inputs, outputs, [size], Math.ceil(size / LANES));
  });

/**
 * 'all' takes ten tensors. Where a device binds fewer: 'outer' gives dh, the gradient of the values before they are bounded, in
 * the order of p, and 'inner' takes that.
 */
type Pass = 'all' | 'outer' | 'inner';

function gradientShader(maps: Maps, n: number, pass: Pass): Shader {
  const width = n * n + 2 * n;
  const tile = tileOf(width);
  const perScale = maps.perScale(n);
  const scales = width / perScale;
  const incoming = `
  var g: f32;
  if (to.part == 0u) { g = dPre[to.at]; } else if (to.part == 1u) { g = dPost[to.at]; } else { g = dRes[to.at]; }
  ${maps.outerGradient}
  return g;`;
  const outerInputs = [...(maps.outerTakesB ? ['b'] : []), 'dPre', 'dPost', 'dRes'];
  const head = `
${ENTRY}
${maps.entryAt(n)}
${maps.bound}
fn gradientOf(i: u32, to: Entry, scale: f32) -> f32 {
${pass === 'inner' ? 'return dh[i];' : incoming}
}`;
  const base = { key: `${maps.name} maps gradient ${n} ${pass}`, lanes: LANES };
  if (pass === 'outer') {
    return {
      ...base,
      inputs: bindings('f32', 'p', 's', 'alpha', ...outerInputs),
      outputs: [['dh', 'f32']],
      uniforms: [['size', 'u32']],
      code: () => `${head}
fn run(group: u32, lane: u32) {
  let i = group * ${LANES}u + lane;
  if (i >= uniforms.size) { return; }
  dh[i] = gradientOf(i, entryAt(i / ${width}u, i % ${width}u), s[i / ${perScale}u]);
}`,
    };
  }
  return {
    ...base,
    inputs: bindings('f32', 'p', 's', 'alpha', ...(pass === 'all' ? outerInputs : ['dh'])),
    outputs: bindings('f32', 'partial', 'dp', 'ds'),
    uniforms: bindings('u32', 'tokens', 'groups'),
    code: () => `${head}
var<workgroup> ofB: array<f32, ${tile * width}>;
var<workgroup> ofAlpha: array<f32, ${tile * width}>;
var<workgroup> ofScale: array<f32, ${tile * width}>;
fn run(group: u32, lane: u32) {
  if (group >= uniforms.groups) { return; }
  var sumB = 0f;
  var sumAlpha = 0f;
  for (var first = group * ${tile}u; first < uniforms.tokens; first += uniforms.groups * ${tile}u) {
    for (var e = lane; e < ${tile * width}u; e += ${LANES}u) {
      let i = first * ${width}u + e;
      ofB[e] = 0f;
      ofAlpha[e] = 0f;
      if (i < uniforms.tokens * ${width}u) {
        let to = entryAt(i / ${width}u, i % ${width}u);
        let scale = s[i / ${perScale}u];
        let g = gradientOf(i, to, scale);
        ${maps.innerGradient}
        dp[i] = dz * scale;
        ofB[e] = g;
        ofAlpha[e] = g * y;
        ofScale[e] = dz * p[i];
      }
    }
    workgroupBarrier();
    if (lane < ${width}u) {
      for (var t = 0u; t < ${tile}u; t++) {
        sumB += ofB[t * ${width}u + lane];
        sumAlpha += ofAlpha[t * ${width}u + lane];
      }
    }
    for (var k = lane; k < ${tile * scales}u && first * ${scales}u + k < uniforms.tokens * ${scales}u; k += ${LANES}u) {
      var sum = 0f;
      for (var e = 0u; e < ${perScale}u; e++) { sum += ofScale[k * ${perScale}u + e]; }
      ds[first * ${scales}u + k] = sum;
    }
    workgroupBarrier();
  }
  if (lane < ${width}u) {
    partial[group * ${2 * width}u + lane] = sumB;
    partial[group * ${2 * width}u + ${width}u + lane] = sumAlpha;
  }
}`,
  };
}

/** Of α and b, from the sums of the workgroups. */
function parameterShader(maps: Maps, n: number): Shader {
  const width = n * n + 2 * n;
  return {
    key: `${maps.name} maps parameters ${n}`,
    inputs: [['partial', 'f32']],
    outputs: bindings('f32', 'dAlpha', 'db'),
    uniforms: [['groups', 'u32']],
    lanes: LANES,
    code: () => `
${ENTRY}
${maps.entryAt(n)}
var<workgroup> ofAlpha: array<f32, ${width}>;
fn run(group: u32, lane: u32) {
  if (lane < ${width}u) {
    var sumB = 0f;
    var sumAlpha = 0f;
    for (var g = 0u; g < uniforms.groups; g++) {
      sumB += partial[g * ${2 * width}u + lane];
      sumAlpha += partial[g * ${2 * width}u + ${width}u + lane];
    }
    db[entryAt(0u, lane).b] = sumB;
    ofAlpha[lane] = sumAlpha;
  }
  workgroupBarrier();
  if (lane < 3u) {
    var sum = 0f;
    for (var e = 0u; e < ${width}u; e++) { if (entryAt(0u, e).part == lane) { sum += ofAlpha[e]; } }
    dAlpha[lane] = sum;
  }
}`,
  };
}

const gradientKernel = (operation: Operation, maps: Maps) =>
  webgpuKernel(operation, ({ backend, inputs, outputs: [dp, ds, dAlpha, db] }) => {
    const [p, s, alpha, b, ...incoming] = inputs;
    const width = sizeOf(b.shape);
    const n = streamsOf(width);
    const size = sizeOf(p.shape);
    const tokens = size / width;
    const groups = Math.min(MAX_GROUPS, Math.ceil(tokens / tileOf(width)));
    const partial = makeOutput(backend, [groups, 2 * width]);
    const outer = [p, s, alpha, ...(maps.outerTakesB ? [b] : []), ...incoming];
    const results = [partial, dp, ds];
    if (bindingsAtMost(backend) >= 10) runShader(backend, gradientShader(maps, n, 'all'), outer, results, [tokens, groups], groups);
    else {
      const dh = makeOutput(backend, p.shape);
      runShader(backend, gradientShader(maps, n, 'outer'), outer, [dh], [size], Math.ceil(size / LANES));
      runShader(backend, gradientShader(maps, n, 'inner'), [p, s, alpha, dh], results, [tokens, groups], groups);
      backend.disposeData(dh.dataId);
    }
    runShader(backend, parameterShader(maps, n), [partial], [dAlpha, db], [groups], 1);
    backend.disposeData(partial.dataId);
  });

/** The kernels of HC's or mHC's coefficients and of their gradients. */
export const mapsKernels = (operation: Operation, gradient: Operation, maps: Maps): tf.KernelConfig[] => [
  forwardKernel(operation, maps),
  gradientKernel(gradient, maps),
];
