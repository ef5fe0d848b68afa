/**
 * Selective recompute: what a stretch of the model keeps for the backward pass is given up and computed again when it is
 * needed. Here: the modes, the length of a block, and `recompute` for a stretch that is rerun as a whole. The mode that
 * leaves the branches alone is in block.ts.
 */
import * as tf from '@tensorflow/tfjs';
import { addNode, alias, forget, isTapeOn, keepAll, offTape, type Recording, record, walk } from '../kernels/tape.ts';

export const RECOMPUTE_MODES = ['none', 'connections', 'blocks'] as const;

/**
 * `connections`: a connection's own part (coefficients, Sinkhorn, mixing of the streams) is rerun, the branches are not: their
 * outputs and what they keep themselves stays (arXiv 2512.24880). `blocks`: the branches are rerun too.
 */
export type RecomputeMode = (typeof RECOMPUTE_MODES)[number];

/**
 * Connections per block that take least memory: L_r* = argmin nC⌈L/L_r⌉ + (n + 2)C·L_r ≈ √(nL/(n + 2)): the streams once
 * per block, and what one block holds while it is rerun. The smallest where there are several.
 * (src/README.md, "Costs").
 * @param n streams, from 1
 * @param connections L, from 1
 * @throws Error where one of them is not a whole number from 1
 */
export function recomputeBlock(n: number, connections: number): number {
  for (const [name, value] of Object.entries({ n, connections })) {
    if (!Number.isInteger(value) || value < 1) throw new Error(`recomputeBlock: ${name} must be a whole number from 1, got ${value}`);
  }
  let best = 1;
  for (let length = 2; length <= connections; length++) {
    if (recomputeCost(n, connections, length) < recomputeCost(n, connections, best)) best = length;
  }
  return best;
}

/** n⌈L/L_r⌉ + (n + 2)L_r, in units of C elements per token: what `recomputeBlock` makes smallest. */
export function recomputeCost(n: number, connections: number, length: number): number {
  return n * Math.ceil(connections / length) + (n + 2) * length;
}

/**
 * y = run(x), of which only x is kept for the backward pass: `run` is run again there. It must do the same both times
 * (no dropout) and use no tensor that depends on trained ones but x and the weights. No second derivative.
 * @param weights trained variables that `run` reads; any tensors may be given
 * @returns y, the same to the bit as without, as are all gradients
 * @throws in the backward pass, where `run` reads a trained variable that is not among the weights
 */
export function recompute(run: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, weights: readonly tf.Tensor[] = []): tf.Tensor {
  return rerunInBackward(run, x, weights, false);
}

/** The same. @param frees is the gradient of y nobody else's, so that it may be disposed once it was used? */
export function rerunInBackward(run: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, read: readonly tf.Tensor[], frees: boolean): tf.Tensor {
  if (!isTapeOn()) return run(x);
  const weights = [...new Set(read)]; // one that is shared by two layers has one gradient
  const y = offTape(() =>
    tf.tidy(() => {
      const result = run(x);
      return result === x ? alias(x) : result;
    }),
  );
  const [start] = keepAll([x]);
  addNode('recompute', [x, ...weights], [y], [start], ([dy]) => {
    let again!: Recording<tf.Tensor>;
    tf.tidy(() => {
      again = record(() => run(start));
    });
    checkWeights(again.nodes, weights);
    const gradients = walk(again, [[again.result, dy]], [start, ...weights]);
    if (frees) dy?.dispose();
    return gradients.map((gradient, i) => gradient ?? tf.zeros([x, ...weights][i].shape));
  });
  return y;
}

function checkWeights(nodes: Parameters<typeof forget>[0], weights: readonly tf.Tensor[]): void {
  for (const input of nodes.flatMap(({ inputs }) => Object.values(inputs))) {
    if (!(input instanceof tf.Variable) || !input.trainable || weights.includes(input)) continue;
    forget(nodes);
    throw new Error(`recompute: what the function reads must be among the weights, or its gradient is lost; missing: ${input.name}`);
  }
}
