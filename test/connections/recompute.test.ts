import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { createBlock, type RecomputeBlock } from '../../src/connections/block.ts';
import type { ConnectionLayer } from '../../src/connections/layer.ts';
import { HyperConnection, ManifoldConnection, ResidualConnection } from '../../src/connections/layers.ts';
import { manifoldConnection } from '../../src/connections/manifold.ts';
import { type RecomputeMode, recompute, recomputeBlock, recomputeCost } from '../../src/connections/recompute.ts';
import { ConnectionStack } from '../../src/connections/stack.ts';
import { isRerunning } from '../../src/kernels/tape.ts';
import { countAllocated } from '../bench/allocated.ts';
import { onHosts } from '../support/backends.ts';

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

/** F(u) = tanh(u w + c), seeded. */
const branch = (channels: number, seed: number) =>
  tf.layers.dense({ units: channels, activation: 'tanh', kernelInitializer: tf.initializers.glorotNormal({ seed }) });

const manifold = (channels: number, index: number) =>
  new ManifoldConnection({ branch: branch(channels, index + 1), index, seed: index + 1 });

/** Gradients of Σ y² for the input and all weights, as arrays. */
function gradientsOf(layer: tf.layers.Layer, x: tf.Tensor): Float32Array[] {
  return tf.tidy(() => {
    tf.dispose(layer.apply(x) as tf.Tensor); // built
    const weights = layer.trainableWeights.map((w) => w.read());
    const lossOf = (input: tf.Tensor) => tf.sum(tf.square(layer.apply(input, { training: true }) as tf.Tensor)) as tf.Scalar;
    return tf
      .grads((...[input]: tf.Tensor[]) => lossOf(input))([x, ...weights])
      .map((g) => new Float32Array(g.dataSync()));
  });
}

onHosts('recompute', () => {
  const normal = (shape: number[], seed = 1) => tf.randomNormal(shape, 0, 1, 'float32', seed);

  test('what is kept outside F is what the formula says: 76C at n = 4, L = 60, of which 40C from the forward pass on', () => {
    const [tokens, n, channels, count] = [3, 4, 256, 60];
    const unit = tokens * channels * 4;
    const allocated = countAllocated();
    let outside = 0;
    let holds = 0;
    let started = 0;
    /** F(u) = 2u, which keeps nothing; looks at the memory when the backward pass comes to it first, in mid-block. */
    class Double extends tf.layers.Layer {
      static className = 'RecomputeTestDouble';
      override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
        const u = (inputs as tf.Tensor[])[0] ?? (inputs as tf.Tensor);
        return tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => ({
          value: tf.mul(args[0] as tf.Tensor, 2),
          gradFunc: (dy: tf.Tensor) => {
            if (holds === 0) holds = allocated.bytes - started;
            return tf.mul(dy, 2);
          },
        }))(u);
      }
      override computeOutputShape(shape: tf.Shape): tf.Shape {
        return shape;
      }
    }
    const connections = Array.from(
      { length: count },
      (_, index) => new ManifoldConnection({ branch: new Double(), index, seed: index + 1 }),
    );
    const stack = new ConnectionStack({ connections, recompute: 'connections' });
    const x = normal([tokens, n, channels]);
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
      const x = normal([4, n, channels]);
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
      const x = normal([4, n, channels]);
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
    expect(
      tf
        .grad((t) => recompute((u) => u, t).add(t))(x)
        .arraySync(),
    ).toEqual([2, 2]);
    const before = tf.memory().numTensors;
    expect(() => tf.variableGrads(() => tf.sum(recompute(f, x)).add(w.square()))).not.toThrow(); // x is not trained: f is not asked
    tf.disposeVariables();
    const v = tf.variable(tf.scalar(2), true, 'forgotten');
    expect(() => tf.grad((t) => recompute((u) => tf.mul(u, v), t))(x)).toThrow(/among the weights.* missing: forgotten/);
    expect(() => tf.grad((t) => tf.grad((u) => recompute(tf.square, u))(t))(x)).toThrow(/no second derivative/);
    expect(before).toBeGreaterThan(0);
    v.dispose();
  });

  test('a branch whose gradient is its gradient, or that throws', () => {
    // A careless customGrad hands dy on as it is.
    const careless = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => ({
      value: tf.clone(args[0] as tf.Tensor),
      gradFunc: (dy: tf.Tensor) => dy,
    }));
    let broken = false;
    class Careless extends tf.layers.Layer {
      static className = 'RecomputeTestCareless';
      override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
        if (broken) throw new Error('the branch is broken');
        return careless((inputs as tf.Tensor[])[0] ?? (inputs as tf.Tensor));
      }
      override computeOutputShape(shape: tf.Shape): tf.Shape {
        return shape;
      }
    }
    const build = (mode: RecomputeMode) =>
      new ConnectionStack({
        connections: [0, 1, 2, 3].map((index) => new ManifoldConnection({ branch: new Careless({}), index, seed: index + 1 })),
        recompute: mode,
      });
    const x = normal([2, 3, 5]);
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
    const x = normal([2, 3, 5]);
    const shared = branch(5, 9);
    const build = (mode: RecomputeMode) =>
      new ConnectionStack({
        connections: [0, 1, 2].map((index) => new ManifoldConnection({ branch: shared, index, seed: index + 1 })),
        recompute: mode,
        block: 2,
      });
    const expected = gradientsOf(build('none'), x);
    for (const mode of ['connections', 'blocks'] as const) {
      gradientsOf(build(mode), x).forEach((gradient, i) => {
        gradient.forEach((value, k) => {
          expect(value).toBeCloseTo(expected[i][k], 3); // sums of three contributions: in another order
        });
      });
    }
  });

  test('a stack saves and loads; its weights are named, and are those of the connections in order', async () => {
    const input = tf.input({ shape: [3, 6] });
    const connections: ConnectionLayer[] = [manifold(6, 0), new HyperConnection({ branch: branch(6, 1), index: 1 }), manifold(6, 2)];
    const stack = new ConnectionStack({ connections, recompute: 'blocks', block: 2 });
    const model = tf.model({ inputs: input, outputs: stack.apply(input) as tf.SymbolicTensor });
    let saved: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async (artifacts) => {
        saved = artifacts;
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
      }),
    );
    const modelTopology = JSON.parse(JSON.stringify(saved!.modelTopology));
    const loaded = await tf.loadLayersModel(tf.io.fromMemory({ ...saved, modelTopology }));
    const x = normal([2, 3, 6]);
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
