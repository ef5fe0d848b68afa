/**
 * The gradients of K2 on WebGPU. Those of α and b are sums over all tokens: each workgroup adds up some tiles of tokens, and
 * one more adds up the workgroups, in a fixed order.
 */
import { streamsOf } from '../maps.ts';
import type { Operation } from '../run.ts';
import { LANES, MANIFOLD, type Maps, PLACE, SIGMOID, TANH } from './places.ts';
import { bindingsAtMost, makeOutput, runShader, type Shader, sizeOf, webgpuKernel } from './program.ts';

/** Tokens of a tile: their entries fit into workgroup memory. */
function tileOf(width: number): number {
  let tile = 1;
  while (2 * tile * width <= 1024 && tile < 64) tile *= 2;
  return tile;
}

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
  const tensors = (names: string[]) => names.map((name) => [name, 'f32'] as const);
  const incoming = `
  var g: f32;
  if (to.part == 0u) { g = dPre[to.at]; } else if (to.part == 1u) { g = dPost[to.at]; } else { g = dRes[to.at]; }
  ${
    maps === MANIFOLD
      ? `if (to.part < 2u) {
    let y = sigmoid(alpha[to.part] * scale * p[i] + b[to.b]);
    g *= y * (1f - y) * f32(to.part + 1u);
  }`
      : ''
  }
  return g;`;
  const outerInputs = [...(maps === MANIFOLD ? ['b'] : []), 'dPre', 'dPost', 'dRes'];
  const head = `
${PLACE}
${maps.place(n)}
${maps === MANIFOLD ? SIGMOID : TANH}
fn gradientOf(i: u32, to: Place, scale: f32) -> f32 {
${pass === 'inner' ? 'return dh[i];' : incoming}
}`;
  const base = { key: `${maps.name} maps gradient ${n} ${pass}`, lanes: LANES };
  if (pass === 'outer') {
    return {
      ...base,
      inputs: tensors(['p', 's', 'alpha', ...outerInputs]),
      outputs: [['dh', 'f32']],
      uniforms: [['size', 'u32']],
      code: () => `${head}
fn run(group: u32, lane: u32) {
  let i = group * ${LANES}u + lane;
  if (i >= uniforms.size) { return; }
  dh[i] = gradientOf(i, place(i / ${width}u, i % ${width}u), s[i / ${perScale}u]);
}`,
    };
  }
  return {
    ...base,
    inputs: tensors(['p', 's', 'alpha', ...(pass === 'all' ? outerInputs : ['dh'])]),
    outputs: tensors(['partial', 'dp', 'ds']),
    uniforms: [
      ['tokens', 'u32'],
      ['groups', 'u32'],
    ],
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
        let to = place(i / ${width}u, i % ${width}u);
        let scale = s[i / ${perScale}u];
        let g = gradientOf(i, to, scale);
        ${maps === MANIFOLD ? 'let y = scale * p[i]; let dz = g * alpha[to.part];' : 'let y = bounded(scale * p[i]); let dz = g * alpha[to.part] * (1f - y * y);'}
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
    outputs: [
      ['dAlpha', 'f32'],
      ['db', 'f32'],
    ],
    uniforms: [['groups', 'u32']],
    lanes: LANES,
    code: () => `
${PLACE}
${maps.place(n)}
var<workgroup> ofAlpha: array<f32, ${width}>;
fn run(group: u32, lane: u32) {
  if (lane < ${width}u) {
    var sumB = 0f;
    var sumAlpha = 0f;
    for (var g = 0u; g < uniforms.groups; g++) {
      sumB += partial[g * ${2 * width}u + lane];
      sumAlpha += partial[g * ${2 * width}u + ${width}u + lane];
    }
    db[place(0u, lane).b] = sumB;
    ofAlpha[lane] = sumAlpha;
  }
  workgroupBarrier();
  if (lane < 3u) {
    var sum = 0f;
    for (var e = 0u; e < ${width}u; e++) { if (place(0u, e).part == lane) { sum += ofAlpha[e]; } }
    dAlpha[lane] = sum;
  }
}`,
  };
}

export const mapsGradient = (operation: Operation, maps: Maps) =>
  webgpuKernel(operation, ({ backend, inputs, outputs: [dp, ds, dAlpha, db] }) => {
    const [p, s, alpha, b, ...incoming] = inputs;
    const width = sizeOf(b.shape);
    const n = streamsOf(width);
    const size = sizeOf(p.shape);
    const tokens = size / width;
    const groups = Math.min(128, Math.ceil(tokens / tileOf(width)));
    const partial = makeOutput(backend, [groups, 2 * width]);
    const outer = [p, s, alpha, ...(maps === MANIFOLD ? [b] : []), ...incoming];
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
