/** K2 on WebGPU, HC's and mHC's: one thread per value. The gradients are in mapsGradient.ts. */
import { HYPER_MAPS, HYPER_MAPS_GRADIENT, MANIFOLD_MAPS, MANIFOLD_MAPS_GRADIENT, streamsOf } from '../maps.ts';
import type { Operation } from '../run.ts';
import { mapsGradient } from './mapsGradient.ts';
import { HYPER, LANES, MANIFOLD, type Maps, PLACE, SIGMOID, TANH } from './places.ts';
import { runShader, type Shader, sizeOf, webgpuKernel } from './program.ts';

function forwardShader(maps: Maps, n: number, epsilon: number): Shader {
  const width = n * n + 2 * n;
  const value =
    maps === MANIFOLD
      ? `let h = alpha[to.part] * z + b[to.b];
  if (to.part == 0u) { pre[to.at] = sigmoid(h) + ${epsilon}f; }
  else if (to.part == 1u) { post[to.at] = 2f * sigmoid(h); }
  else { res[to.at] = h; }`
      : `let h = alpha[to.part] * bounded(z) + b[to.b];
  if (to.part == 0u) { pre[to.at] = h; } else if (to.part == 1u) { post[to.at] = h; } else { res[to.at] = h; }`;
  return {
    key: `${maps.name} maps ${n} ${epsilon}`,
    inputs: [
      ['p', 'f32'],
      ['s', 'f32'],
      ['alpha', 'f32'],
      ['b', 'f32'],
    ],
    outputs: [
      ['pre', 'f32'],
      ['post', 'f32'],
      ['res', 'f32'],
    ],
    uniforms: [['size', 'u32']],
    lanes: LANES,
    code: () => `
${PLACE}
${maps.place(n)}
${maps === MANIFOLD ? SIGMOID : TANH}
fn run(group: u32, lane: u32) {
  let i = group * ${LANES}u + lane;
  if (i >= uniforms.size) { return; }
  let to = place(i / ${width}u, i % ${width}u);
  let z = s[i / ${maps.perScale(n)}u] * p[i];
  ${value}
}`,
  };
}

const forward = (operation: Operation, maps: Maps) =>
  webgpuKernel(operation, ({ backend, inputs, outputs, attributes }) => {
    const size = sizeOf(inputs[0].shape);
    const shader = forwardShader(maps, streamsOf(sizeOf(inputs[3].shape)), (attributes['epsilon'] as number | undefined) ?? 0);
    runShader(backend, shader, inputs, outputs, [size], Math.ceil(size / LANES));
  });

export const mapsOnWebGPU = [
  forward(MANIFOLD_MAPS, MANIFOLD),
  mapsGradient(MANIFOLD_MAPS_GRADIENT, MANIFOLD),
  forward(HYPER_MAPS, HYPER),
  mapsGradient(HYPER_MAPS_GRADIENT, HYPER),
];
