/** K1 to K4 of an mHC connection on wasm in one call, and their gradients: the module's functions one after the other. */
import * as tf from '@tensorflow/tfjs';
import { OPEN_MANIFOLD, OPEN_MANIFOLD_GRADIENT } from '../openManifold.ts';
import type { Attributes } from '../run.ts';
import { type Call, wasmKernel } from './kernel.ts';
import { projectFloats, projectGradientFloats, sinkhornFloats, sinkhornGradientFloats } from './scratch.ts';

function sizes([x, phi]: number[][], attributes: Attributes) {
  const [n, channels] = x.slice(-2);
  const { iterations, deepseek, epsilon, normEps } = attributes as {
    iterations: number;
    deepseek: boolean;
    epsilon: number;
    normEps: number;
  };
  return { tokens: tf.util.sizeFromShape(x.slice(0, -2)), n, channels, k: n * channels, m: phi[1], iterations, deepseek, epsilon, normEps };
}

function open({ functions, inputs: [x, phi, alpha, b], outputs, shapes, attributes, scratch }: Call): void {
  const [u, res, post, logits, p, s, pre] = outputs;
  const { tokens, n, channels, k, m, iterations, deepseek, epsilon, normEps } = sizes(shapes, attributes);
  const work = scratch(Math.max(projectFloats(k, m), sinkhornFloats(n)));
  functions.project(x, phi, p, s, tokens, k, m, normEps, work);
  functions.manifoldMaps(p, s, alpha, b, pre, post, logits, tokens, n, epsilon);
  functions.sinkhorn(logits, res, tokens, n, iterations, deepseek, epsilon, work);
  functions.readStreams(pre, x, u, tokens, n, channels);
}

function openGradient({ functions, inputs, outputs: [dx, dPhi, dAlpha, db], shapes, attributes, scratch }: Call): void {
  const [x, phi, alpha, b, logits, p, s, pre, du, through, dRes, dPost] = inputs;
  const { tokens, n, channels, k, m, iterations, deepseek, epsilon } = sizes(shapes, attributes);
  const ends = [tokens * n, tokens * n * n, tokens * m, tokens].map((size) => Math.ceil(size / 4) * 16);
  const dPre = scratch(
    ends.reduce((sum, bytes) => sum + bytes, 0) / 4 +
      Math.max(m + 4, projectGradientFloats(k, m), sinkhornGradientFloats(n, iterations, deepseek)),
  );
  const dLogits = dPre + ends[0];
  const dp = dLogits + ends[1];
  const ds = dp + ends[2];
  const work = ds + ends[3];
  functions.sinkhornGradient(logits, dRes, dLogits, tokens, n, iterations, deepseek, epsilon, work);
  // A strip of the projection's gradient takes u's gradient in where it is of one stream alone.
  const together = channels % 16 === 0;
  if (together) functions.streamDots(x, du, dPre, tokens, n, channels);
  else functions.readStreamsGradient(pre, x, du, through, dPre, dx, tokens, n, channels);
  functions.manifoldMapsGradient(p, s, alpha, b, dPre, dPost, dLogits, dp, ds, dAlpha, db, tokens, n, work);
  if (together) functions.projectGradient(x, phi, s, dp, ds, through, dx, dPhi, tokens, k, m, work, pre, du, n);
  else functions.projectGradient(x, phi, s, dp, ds, dx, dx, dPhi, tokens, k, m, work, 0, 0, 1);
}

export const WASM_OPEN: readonly tf.KernelConfig[] = [wasmKernel(OPEN_MANIFOLD, open), wasmKernel(OPEN_MANIFOLD_GRADIENT, openGradient)];
