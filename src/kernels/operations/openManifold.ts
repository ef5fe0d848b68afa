/**
 * All of an mHC connection before its branch as one step of the tape: project, manifoldMaps, sinkhorn and readStreams. Where the
 * backend has a kernel for it: one call instead of four, in the gradient too, where the streams are then written once. Elsewhere it
 * is not used.
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, runKernel } from '../operation.ts';
import { addNode, alias, isTapeOn, keepAll, offTape } from '../tape.ts';
import { type SinkhornOptions, sinkhornAttributes } from './sinkhorn.ts';

/** x, φ, α, b to u, H_res, H_post, H̃_res, p, s, H_pre; names and meaning in the files of the four. */
export const OPEN_MANIFOLD: Operation = {
  name: 'GainwatchOpenManifold',
  shapes: ([x, phi]) => {
    const lead = x.slice(0, -2);
    const [n, channels] = x.slice(-2);
    return [[...lead, channels], [...lead, n, n], [...lead, n], [...lead, n, n], [...lead, phi[1]], lead, [...lead, n]];
  },
};
/** x, φ, α, b, H̃_res, p, s, H_pre, du, dx̂, dH_res, dH_post to the gradients of the first four. */
export const OPEN_MANIFOLD_GRADIENT: Operation = {
  name: 'GainwatchOpenManifoldGradient',
  shapes: ([x, phi, alpha, b]) => [x, phi, alpha, b],
};

export interface OpenOptions extends SinkhornOptions {
  /** ε inside the RMS. */
  normEps: number;
}

/**
 * @param x the streams, `[..., n, C]`
 * @param parameters φ `[nC, n² + 2n]`, α `[3]`, b `[n² + 2n]`
 * @returns what the branch reads, the streams for their next use, H_res, H_post, H̃_res; null where the backend has no kernel
 */
export function openManifold(x: tf.Tensor, parameters: readonly tf.Tensor[], options: OpenOptions) {
  if (!hasKernel(OPEN_MANIFOLD)) return null;
  const inputs = [x, ...parameters];
  const attributes = { ...sinkhornAttributes(options), normEps: options.normEps };
  const [u, res, post, logits, ...inner] = offTape(() => runKernel(OPEN_MANIFOLD, inputs, attributes));
  const through = offTape(() => alias(x));
  if (isTapeOn()) {
    const outputs = [u, through, res, post];
    const saved = [...keepAll([...inputs, logits]), ...inner.map((tensor) => tf.keep(tensor))];
    addNode('connection up to its branch', inputs, outputs, saved, (dys) => {
      const all = dys.map((dy, i) => dy ?? tf.zeros(outputs[i].shape));
      return runKernel(OPEN_MANIFOLD_GRADIENT, [...saved, ...all], attributes);
    });
  } else tf.dispose(inner);
  return { u, x: through, res, post, logits };
}
