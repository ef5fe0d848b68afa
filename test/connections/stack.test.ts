/** Connections one after the other as one layer, in every mode of recompute. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import type { ConnectionLayer } from '../../src/connections/layer.ts';
import { HyperConnection, ManifoldConnection, ResidualConnection } from '../../src/connections/layers.ts';
import { type RecomputeMode, recompute } from '../../src/connections/recompute.ts';
import { ConnectionStack } from '../../src/connections/stack.ts';
import { normal } from '../support/accelerated.ts';
import { onHosts } from '../support/backends.ts';
import { denseBranch, FunctionBranch, gradientsOf, manifold, saveAndLoad } from '../support/testLayers.ts';

onHosts('a stack', () => {
  describe('nested', () => {
    const [channels, n] = [6, 3];
    /** F is itself a small stack, with streams of its own. */
    class Inner extends tf.layers.Layer {
      static className = 'RecomputeTestInner';
      readonly stack: ConnectionStack;
      constructor(mode: RecomputeMode, seed: number) {
        super({});
        const connections = [0, 1, 2].map((k) => manifold(channels, seed + k));
        this.stack = new ConnectionStack({ connections, recompute: mode, block: 2 });
      }
      override build(shape: tf.Shape): void {
        this.stack.apply(tf.input({ batchShape: [shape[0], 2, channels] }));
        this.built = true;
      }
      override call(inputs: tf.Tensor | tf.Tensor[], kwargs: object): tf.Tensor {
        return tf.tidy(() => {
          const u = (Array.isArray(inputs) ? inputs[0] : inputs) as tf.Tensor;
          return tf.sum(this.stack.apply(tf.stack([u, tf.neg(u)], 1), kwargs) as tf.Tensor, 1);
        });
      }
      override get trainableWeights() {
        return this.stack.trainableWeights;
      }
      override computeOutputShape(shape: tf.Shape): tf.Shape {
        return shape;
      }
    }
    const build = (outer: RecomputeMode, inner: RecomputeMode) => {
      const connections = [0, 1, 2, 3, 4].map((k) => new HyperConnection({ branch: new Inner(inner, 10 * k), index: k }));
      return new ConnectionStack({ connections, recompute: outer, block: 2 });
    };

    test.each([
      ['connections', 'connections'],
      ['connections', 'blocks'],
      ['blocks', 'connections'],
      ['blocks', 'blocks'],
      ['none', 'blocks'],
    ] as const)('a stack of mode %s with one of mode %s in its branches', (outer, inner) => {
      const x = normal([4, n, channels], 1);
      const plain = build('none', 'none');
      const expected = gradientsOf(plain, x);
      const stack = build(outer, inner);
      gradientsOf(stack, x);
      const before = [tf.memory().numTensors, tf.memory().numDataBuffers];
      expect(gradientsOf(stack, x)).toEqual(expected);
      expect([tf.memory().numTensors, tf.memory().numDataBuffers]).toEqual(before);
      expect(expected.every((g) => g.every(Number.isFinite))).toBe(true);
      for (const layer of [plain, stack]) layer.dispose();
    });

    test('recompute() in recompute(), around a stack', () => {
      const x = normal([4, n, channels], 1);
      const stack = build('connections', 'blocks');
      tf.dispose(stack.apply(x) as tf.Tensor);
      const weights = stack.trainableWeights.map((w) => w.read());
      const run = (input: tf.Tensor) => stack.apply(tf.sin(input), { training: true }) as tf.Tensor;
      const inner = (input: tf.Tensor) => recompute(run, input, weights);
      const of = (f: (input: tf.Tensor) => tf.Tensor) =>
        tf
          .grads((...[input]: tf.Tensor[]) => tf.sum(tf.square(f(input))))([x, ...weights])
          .map((g) => g.dataSync());
      const expected = of((input) => tf.cos(run(input)));
      expect(of((input) => recompute((t) => tf.cos(inner(t)), input, weights))).toEqual(expected);
      stack.dispose();
    });
  });

  test('a branch whose gradient is its gradient, or that throws', () => {
    // A careless customGrad hands dy on as it is.
    const careless = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => ({
      value: tf.clone(args[0] as tf.Tensor),
      gradFunc: (dy: tf.Tensor) => dy,
    }));
    let broken = false;
    const run = (u: tf.Tensor) => {
      if (broken) throw new Error('the branch is broken');
      return careless(u);
    };
    const build = (mode: RecomputeMode) =>
      new ConnectionStack({
        connections: [0, 1, 2, 3].map((index) => new ManifoldConnection({ branch: new FunctionBranch(run), index, seed: index + 1 })),
        recompute: mode,
      });
    const x = normal([2, 3, 5], 1);
    const expected = gradientsOf(build('none'), x);
    for (const mode of ['connections', 'blocks'] as const) {
      const stack = build(mode);
      expect(gradientsOf(stack, x)).toEqual(expected);
      broken = true;
      expect(() => gradientsOf(stack, x)).toThrow('the branch is broken');
      broken = false;
      expect(gradientsOf(stack, x)).toEqual(expected);
    }
  });

  test('a branch that two connections of a block share', () => {
    const x = normal([2, 3, 5], 1);
    const shared = denseBranch(5, 9);
    const build = (mode: RecomputeMode) =>
      new ConnectionStack({
        connections: [0, 1, 2].map((index) => new ManifoldConnection({ branch: shared, index, seed: index + 1 })),
        recompute: mode,
        block: 2,
      });
    const expected = gradientsOf(build('none'), x);
    for (const mode of ['connections', 'blocks'] as const) {
      gradientsOf(build(mode), x).forEach((gradient, i) => {
        // Sums of three contributions: in another order.
        for (const [k, value] of gradient.entries()) expect(value).toBeCloseTo(expected[i][k], 3);
      });
    }
  });

  test('a stack saves and loads; its weights are named, and are those of the connections in order', async () => {
    const input = tf.input({ shape: [3, 6] });
    const connections: ConnectionLayer[] = [manifold(6, 0), new HyperConnection({ branch: denseBranch(6, 1), index: 1 }), manifold(6, 2)];
    const stack = new ConnectionStack({ connections, recompute: 'blocks', block: 2 });
    const model = tf.model({ inputs: input, outputs: stack.apply(input) as tf.SymbolicTensor });
    const loaded = await saveAndLoad(model);
    const x = normal([2, 3, 6], 1);
    expect((loaded.predict(x) as tf.Tensor).arraySync()).toEqual((model.predict(x) as tf.Tensor).arraySync());
    const names = loaded.trainableWeights.map((w) => w.originalName);
    expect(new Set(names).size).toBe(3 * 5);
    expect(stack.trainableWeights).toEqual(connections.flatMap((c) => c.trainableWeights));
    const again = loaded.layers.at(-1) as ConnectionStack;
    expect([again.recompute, again.blockLength([null, 3, 6]), again.layers.length]).toEqual(['blocks', 2, 3]);
    stack.trainable = false;
    expect([stack.trainableWeights.length, stack.nonTrainableWeights.length]).toEqual([0, 15]);
  });
});

const TWICE = new ResidualConnection({ name: 'twice', branch: tf.layers.dense({ units: 1 }) });
test.each([
  [{ connections: [] }, /connections must hold at least one, got none/],
  [{ connections: [tf.layers.dense({ units: 1, name: 'plain' })] }, /connections must be ConnectionLayers, got plain/],
  [{ connections: [TWICE, TWICE] }, /connections must be different layers, got twice twice/],
  [{ recompute: 'all' }, /recompute must be one of none, connections, blocks, got all/],
  [{ block: 0 }, /block must be a whole number from 1, got 0/],
])('a stack with %j is refused', (change, message) => {
  const config = { connections: [new ResidualConnection({ branch: tf.layers.dense({ units: 1 }) })], ...change };
  expect(() => new ConnectionStack(config as ConstructorParameters<typeof ConnectionStack>[0])).toThrow(message);
});
