/** K1 to K5 on wasm: what each function of the module is called with. */
import * as tf from '@tensorflow/tfjs';
import { HYPER_MAPS, HYPER_MAPS_GRADIENT, MANIFOLD_MAPS, MANIFOLD_MAPS_GRADIENT, streamsOf } from '../maps.ts';
import { PROJECT, PROJECT_GRADIENT } from '../project.ts';
import type { Attributes } from '../run.ts';
import { SINKHORN, SINKHORN_GRADIENT } from '../sinkhorn.ts';
import { READ_STREAMS, READ_STREAMS_GRADIENT, WRITE_STREAMS, WRITE_STREAMS_GRADIENT } from '../streams.ts';
import { wasmKernel } from './kernel.ts';
import { projectFloats, projectGradientFloats, sinkhornFloats, sinkhornGradientFloats } from './scratch.ts';

const size = (shape: readonly number[]) => tf.util.sizeFromShape([...shape]);

const project = wasmKernel(PROJECT, ({ functions, inputs: [x, w], outputs: [p, s], shapes: [all, [k, m]], attributes, scratch }) => {
  functions.project(x, w, p, s, size(all) / k, k, m, attributes['epsilon'] as number, scratch(projectFloats(k, m)));
});

const projectGradient = wasmKernel(PROJECT_GRADIENT, ({ functions, inputs, outputs, shapes: [all, [k, m]], scratch }) => {
  const [x, w, s, dp, ds, through] = inputs;
  const [dx, dw] = outputs;
  functions.projectGradient(x, w, s, dp, ds, through, dx, dw, size(all) / k, k, m, scratch(projectGradientFloats(k, m)), 0, 0, 1);
});

const manifoldMaps = wasmKernel(MANIFOLD_MAPS, ({ functions, inputs: [p, s, alpha, b], outputs, shapes, attributes }) => {
  const [pre, post, res] = outputs;
  functions.manifoldMaps(p, s, alpha, b, pre, post, res, size(shapes[1]), streamsOf(size(shapes[3])), attributes['epsilon'] as number);
});

const manifoldMapsGradient = wasmKernel(MANIFOLD_MAPS_GRADIENT, ({ functions, inputs, outputs, shapes, scratch }) => {
  const [p, s, alpha, b, dPre, dPost, dRes] = inputs;
  const [dp, ds, dAlpha, db] = outputs;
  const width = size(shapes[3]);
  const work = scratch(width + 4);
  functions.manifoldMapsGradient(p, s, alpha, b, dPre, dPost, dRes, dp, ds, dAlpha, db, size(shapes[1]), streamsOf(width), work);
});

const hyperMaps = wasmKernel(HYPER_MAPS, ({ functions, inputs: [p, s, alpha, b], outputs: [pre, post, res], shapes }) => {
  const n = shapes[3][1];
  functions.hyperMaps(p, s, alpha, b, pre, post, res, size(shapes[1]) / n, n);
});

const hyperMapsGradient = wasmKernel(HYPER_MAPS_GRADIENT, ({ functions, inputs, outputs, shapes, scratch }) => {
  const [p, s, alpha, , dPre, dPost, dRes] = inputs;
  const [dp, ds, dAlpha, db] = outputs;
  const [rows, n] = shapes[3];
  functions.hyperMapsGradient(p, s, alpha, dPre, dPost, dRes, dp, ds, dAlpha, db, size(shapes[1]) / n, n, scratch(rows * n + 4));
});

interface SinkhornCall {
  tokens: number;
  n: number;
  iterations: number;
  deepseek: boolean;
  epsilon: number;
}

function sinkhornCall([shape]: number[][], attributes: Attributes): SinkhornCall {
  const n = shape.at(-1) as number;
  const iterations = attributes['iterations'] as number;
  const deepseek = attributes['deepseek'] as boolean;
  return { tokens: size(shape) / (n * n), n, iterations, deepseek, epsilon: attributes['epsilon'] as number };
}

const sinkhorn = wasmKernel(SINKHORN, ({ functions, inputs: [logits], outputs: [out], shapes, attributes, scratch }) => {
  const { tokens, n, iterations, deepseek, epsilon } = sinkhornCall(shapes, attributes);
  functions.sinkhorn(logits, out, tokens, n, iterations, deepseek, epsilon, scratch(sinkhornFloats(n)));
});

const sinkhornGradient = wasmKernel(
  SINKHORN_GRADIENT,
  ({ functions, inputs: [logits, dOut], outputs: [out], shapes, attributes, scratch }) => {
    const { tokens, n, iterations, deepseek, epsilon } = sinkhornCall(shapes, attributes);
    const work = scratch(sinkhornGradientFloats(n, iterations, deepseek));
    functions.sinkhornGradient(logits, dOut, out, tokens, n, iterations, deepseek, epsilon, work);
  },
);

/** [tokens, n, C] of streams `[..., n, C]`. */
function streamSizes(shape: readonly number[]): [number, number, number] {
  const [n, channels] = shape.slice(-2);
  return [size(shape.slice(0, -2)), n, channels];
}

const readStreams = wasmKernel(READ_STREAMS, ({ functions, inputs: [pre, x], outputs: [u], shapes }) => {
  functions.readStreams(pre, x, u, ...streamSizes(shapes[1]));
});

const readStreamsGradient = wasmKernel(
  READ_STREAMS_GRADIENT,
  ({ functions, inputs: [pre, x, du, through], outputs: [dPre, dx], shapes }) => {
    functions.readStreamsGradient(pre, x, du, through, dPre, dx, ...streamSizes(shapes[1]));
  },
);

const writeStreams = wasmKernel(WRITE_STREAMS, ({ functions, inputs: [res, x, post, branch], outputs: [out], shapes }) => {
  functions.writeStreams(res, x, post, branch, out, ...streamSizes(shapes[1]));
});

const writeStreamsGradient = wasmKernel(WRITE_STREAMS_GRADIENT, ({ functions, inputs, outputs, shapes }) => {
  const [res, x, post, branch, dOut] = inputs;
  const [dRes, dx, dPost, dBranch] = outputs;
  functions.writeStreamsGradient(res, x, post, branch, dOut, dRes, dx, dPost, dBranch, ...streamSizes(shapes[1]));
});

export const WASM_CONNECTIONS: readonly tf.KernelConfig[] = [
  project,
  projectGradient,
  manifoldMaps,
  manifoldMapsGradient,
  hyperMaps,
  hyperMapsGradient,
  sinkhorn,
  sinkhornGradient,
  readStreams,
  readStreamsGradient,
  writeStreams,
  writeStreamsGradient,
];
