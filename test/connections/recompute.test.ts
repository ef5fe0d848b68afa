/** Selective recompute: how long a block is, what it keeps, and what is rerun when. Stacks of connections are in stack.test.ts. */
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { createBlock, type RecomputeBlock } from '../../src/connections/block.ts';
import { ManifoldConnection } from '../../src/connections/layers.ts';
import { manifoldConnection } from '../../src/connections/manifold.ts';
import { recompute, recomputeBlock, recomputeCost } from '../../src/connections/recompute.ts';
import { ConnectionStack } from '../../src/connections/stack.ts';
import { isRerunning } from '../../src/kernels/tape.ts';
import { countAllocated } from '../bench/allocated.ts';
import { normal } from '../support/accelerated.ts';
import { onHosts } from '../support/backends.ts';
import { FunctionBranch } from '../support/testLayers.ts';

test('the length of a block takes least memory', () => {
  expect(recomputeBlock(4, 60)).toBe(6);
  expect(recomputeCost(4, 60, 6)).toBe(76);
  expect(recomputeCost(4, 60, 1) - 6).toBe(240); // without recompute: the streams of every connection
  for (let n = 1; n <= 8; n++) {
    for (const connections of [1, 2, 3, 7, 24, 48, 61, 128]) {
      const costs = Array.from({ length: connections }, (_, i) => n * Math.ceil(connections / (i + 1)) + (n + 2) * (i + 1));
      expect(costs.indexOf(Math.min(...costs)) + 1).toBe(recomputeBlock(n, connections));
    }
  }
  expect(recomputeBlock(4, 60)).toBe(Math.round(Math.sqrt((4 * 60) / (4 + 2))));
  expect(() => recomputeBlock(0, 60)).toThrow('n must be a whole number from 1, got 0');
  expect(() => recomputeBlock(4, 1.5)).toThrow('connections must be a whole number from 1, got 1.5');
});

onHosts('recompute', () => {
  test('what is kept outside F is what the formula says: 76C at n = 4, L = 60, of which 40C from the forward pass on', () => {
    const [tokens, n, channels, count] = [3, 4, 256, 60];
    const unit = tokens * channels * 4;
    const allocated = countAllocated();
    let outside = 0;
    let holds = 0;
    let started = 0;
    /** F(u) = 2u, which keeps nothing; looks at the memory when the backward pass comes to it first, in mid-block. */
    const double = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => ({
      value: tf.mul(args[0] as tf.Tensor, 2),
      gradFunc: (dy: tf.Tensor) => {
        if (holds === 0) holds = allocated.bytes - started;
        return tf.mul(dy, 2);
      },
    }));
    const connections = Array.from(
      { length: count },
      (_, index) => new ManifoldConnection({ branch: new FunctionBranch(double), index, seed: index + 1 }),
    );
    const stack = new ConnectionStack({ connections, recompute: 'connections' });
    const x = normal([tokens, n, channels], 1);
    tf.dispose(stack.apply(x) as tf.Tensor);
    expect(stack.blockLength(x.shape)).toBe(6);
    const weights = new Set<object>(stack.weights.map((w) => w.read().dataId));
    started = allocated.bytes;
    const gradient = tf.grad((input: tf.Tensor) => {
      const y = stack.apply(input, { training: true }) as tf.Tensor;
      const kept = new Map<object, number>();
      for (const node of tf.engine().state.activeTape) {
        for (const { dataId, size } of node.saved ?? []) if (!weights.has(dataId)) kept.set(dataId, 4 * size);
      }
      outside = [...kept.values()].reduce((a, b) => a + b, 0);
      return tf.sum(y);
    })(x);
    allocated.end();
    // F's outputs, C each, are kept in any case and not in the formula. The first streams were there before.
    const streams = outside / unit - count;
    expect(streams).toBe(recomputeCost(n, count, 6) - (n + 2) * 6);
    const inBackward = holds / unit - count + n;
    expect(inBackward / recomputeCost(n, count, 6)).toBeGreaterThan(0.9);
    expect(inBackward / recomputeCost(n, count, 6)).toBeLessThan(1.1);
    gradient.dispose();
    stack.dispose();
  });

  test('a block of connections as functions', () => {
    const [n, channels] = [3, 5];
    const phis = [1, 2, 3].map((seed) => normal([n * channels, n * n + 2 * n], seed));
    const parameters = { alpha: tf.tensor1d([0.5, 0.5, 0.5]), b: normal([n * n + 2 * n], 4) };
    const run = (x: tf.Tensor, block: RecomputeBlock | null) =>
      phis.reduce((streams, phi) => manifoldConnection(streams, (u) => tf.tanh(u), { ...parameters, phi }, { block }), x);
    const of = (block: () => RecomputeBlock | null) =>
      tf
        .grads((...[x]: tf.Tensor[]) => tf.sum(tf.square(run(x, block()))))([normal([2, n, channels], 5), ...phis])
        .map((g) => g.dataSync());
    expect(of(() => createBlock(3))).toEqual(of(() => null));
    expect(() => of(() => createBlock(2))).toThrow('a block of 2 connections takes no more, got another');
  });

  test('recompute(): runs once more in the backward pass only, and says what it cannot do', () => {
    const w = tf.variable(tf.scalar(3), true);
    const x = tf.tensor1d([1, 2]);
    const runs: boolean[] = [];
    const f = (t: tf.Tensor) => {
      runs.push(isRerunning());
      return tf.mul(tf.square(t), w);
    };
    expect(recompute(f, x, [w]).arraySync()).toEqual([3, 12]);
    expect(runs).toEqual([false]);
    const { value, grads } = tf.variableGrads(() => tf.sum(recompute(f, x, [w])), [w]);
    expect(runs).toEqual([false, false, true]);
    expect([value.dataSync()[0], grads[w.name].dataSync()[0]]).toEqual([15, 5]);
    // Its own input as output; a gradient that is asked for twice.
    const twice = tf.grad((t) => recompute((u) => u, t).add(t))(x);
    expect(twice.arraySync()).toEqual([2, 2]);
    const before = tf.memory().numTensors;
    expect(() => tf.variableGrads(() => tf.sum(recompute(f, x)).add(w.square()))).not.toThrow(); // x is not trained: f is not asked
    tf.disposeVariables();
    const v = tf.variable(tf.scalar(2), true, 'forgotten');
    expect(() => tf.grad((t) => recompute((u) => tf.mul(u, v), t))(x)).toThrow(/among the weights.* missing: forgotten/);
    expect(() => tf.grad((t) => tf.grad((u) => recompute(tf.square, u))(t))(x)).toThrow(/no second derivative/);
    expect(before).toBeGreaterThan(0);
    v.dispose();
  });
});
