import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { ExpandStreams, ReduceStreams } from '../../src/connections/expandStreams.ts';
import { HyperConnection, ManifoldConnection, ResidualConnection } from '../../src/connections/layers.ts';
import { onEveryBackend } from '../support/backends.ts';
import { saveAndLoad } from '../support/testLayers.ts';

const branch = () => tf.layers.dense({ units: 6, activation: 'tanh', kernelInitializer: tf.initializers.glorotUniform({ seed: 3 }) });

function model(kinds: ('hc' | 'static' | 'mhc' | 'deepseek')[], streams: number): tf.LayersModel {
  const input = tf.input({ shape: [5, 6] });
  let x = new ExpandStreams({ streams }).apply(input) as tf.SymbolicTensor;
  kinds.forEach((kind, index) => {
    const layer =
      kind === 'mhc' || kind === 'deepseek'
        ? new ManifoldConnection({ branch: branch(), index, seed: 5, convention: kind === 'mhc' ? 'paper' : 'deepseek' })
        : new HyperConnection({ branch: branch(), index, dynamic: kind === 'hc' });
    x = layer.apply(x) as tf.SymbolicTensor;
  });
  return tf.model({ inputs: input, outputs: new ReduceStreams({}).apply(x) as tf.SymbolicTensor });
}

onEveryBackend('connection layers', () => {
  it('HC starts equal to a pre-norm residual network', async () => {
    const dense = branch();
    const connection = new HyperConnection({ branch: dense, index: 2 });
    const x = tf.randomNormal([2, 5, 6], 0, 1, 'float32', 1);
    const streams = new ExpandStreams({ streams: 4 }).apply(x) as tf.Tensor;
    const out = connection.apply(streams) as tf.Tensor;
    const expected = new ResidualConnection({ branch: dense }).apply(x) as tf.Tensor;
    for (let i = 0; i < 4; i++) {
      const stream = out.slice([0, 0, i, 0], [-1, -1, 1, -1]).squeeze([2]);
      expect((await tf.max(tf.abs(tf.sub(stream, expected))).data())[0]).toBeLessThan(1e-6);
    }
  });

  it('saves and loads every kind: same outputs, weights named, trainable', async () => {
    const original = model(['hc', 'static', 'mhc', 'deepseek'], 3);
    original.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
    const x = tf.randomNormal([2, 5, 6], 0, 1, 'float32', 2);
    await original.fit(x, tf.zeros([2, 5, 6]), { epochs: 2, verbose: 0 });
    const loaded = await saveAndLoad(original);
    const [a, b] = await Promise.all([loaded, original].map((net) => (net.predict(x) as tf.Tensor).data()));
    expect(a).toEqual(b);
    const names = loaded.trainableWeights.map((w) => w.originalName);
    expect(new Set(names).size).toBe(names.length);
    // Per connection: its own (3, 1, 3, 3) and the branch's kernel and bias.
    expect(names.length).toBe(3 + 1 + 3 + 3 + 4 * 2);
    expect(loaded.layers.filter((l) => l instanceof ManifoldConnection).map((l) => l.convention)).toEqual(['paper', 'deepseek']);
  });

  it('training moves the connection and its branch', async () => {
    const net = model(['hc', 'mhc'], 4);
    net.compile({ optimizer: tf.train.adam(0.01), loss: 'meanSquaredError' });
    const values = () => Promise.all(net.trainableWeights.map((w) => w.read().data()));
    const before = await values();
    const [x, y] = [4, 5].map((seed) => tf.randomNormal([4, 5, 6], 0, 1, 'float32', seed));
    await net.fit(x, y, { epochs: 3, verbose: 0 });
    const after = await values();
    for (const [i, w] of net.trainableWeights.entries()) expect(after[i], w.originalName).not.toEqual(before[i]);
  });

  it('shapes: streams kept, errors for an input that is none or a branch that changes its shape', () => {
    expect(new ExpandStreams({ streams: 4 }).computeOutputShape([null, 5, 6])).toEqual([null, 5, 4, 6]);
    expect(new ReduceStreams({}).computeOutputShape([null, 5, 4, 6])).toEqual([null, 5, 6]);
    expect(new HyperConnection({ branch: branch(), index: 0 }).computeOutputShape([null, 5, 4, 6])).toEqual([null, 5, 4, 6]);
    expect(() => new HyperConnection({ branch: branch(), index: 0 }).apply(tf.zeros([5, 6]))).toThrow('must be streams [..., n, C]');
    const other = new ManifoldConnection({ branch: branch(), index: 0 });
    expect(() => other.apply(tf.zeros([2, 5, 4, 7]))).toThrow('the branch must keep its shape');
    expect(() => new ExpandStreams({ streams: 9 })).toThrow('streams must be a whole number from 1 to 8, got 9');
    expect(() => new HyperConnection({ branch: branch(), index: -1 })).toThrow('index must be a whole number from 0, got -1');
  });

  it('leaks no tensor', () => {
    const net = model(['hc', 'mhc'], 4);
    const x = tf.randomNormal([2, 5, 6], 0, 1, 'float32', 2);
    const step = () => tf.tidy(() => tf.dispose(tf.variableGrads(() => tf.sum(tf.square(net.apply(x) as tf.Tensor)) as tf.Scalar)));
    step();
    const before = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) step();
    expect(tf.memory().numTensors).toBe(before);
  });
});
