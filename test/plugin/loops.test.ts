/** Connections that run again: under recompute, in model.fit, of the user's own; what runs nothing at all; and what is left behind. */
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { observeOwn } from '../../plugin/probe/hooks.ts';
import { ExpandStreams, ReduceStreams } from '../../src/connections/expandStreams.ts';
import { RECOMPUTE_MODES, type RecomputeMode, recompute } from '../../src/connections/recompute.ts';
import { ConnectionStack } from '../../src/connections/stack.ts';
import { MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import { normal } from '../support/accelerated.ts';
import { onEveryBackend } from '../support/backends.ts';
import { CHANNELS, connectionsOf, differentiate, lossOf, N, repeated, rowOf, run, SHAPE, streams, TOKENS, TWO } from '../support/looped.ts';
import { expectComposite, noteApplied, probeOn } from '../support/probed.ts';

onEveryBackend('loops', () => {
  test.each(RECOMPUTE_MODES)(
    'a stack that runs three times, recompute %s: the same measures, gradients too',
    async (mode: RecomputeMode) => {
      const measured = async (recompute: RecomputeMode) => {
        const layers = connectionsOf(TWO);
        const stack = new ConnectionStack({ connections: layers, recompute, block: 2 });
        stack.apply(tf.input({ shape: SHAPE.slice(1) }));
        const { step, steps, faults } = probeOn(layers, { gradientGain: true });
        const x = tf.variable(streams(7));
        const loop = () => lossOf([1, 2, 3].reduce<tf.Tensor>((s) => stack.apply(s) as tf.Tensor, x));
        const loss = await step(() => differentiate(layers, loop, [x]));
        expect(faults).toEqual([]);
        return { loss: (await loss.data())[0], ...steps[0] };
      };
      const plain = await measured('none');
      const again = await measured(mode);
      expect(again.names).toEqual(['b0', 'b1', 'b0#2', 'b1#2', 'b0#3', 'b1#3']);
      expect(again.loss).toBe(plain.loss);
      expect(again.report.measures).toEqual(plain.report.measures);
      expect(rowOf(again, 'gradientGain').every((gain) => gain > 0)).toBe(true);
    },
  );

  test('what is computed again in the backward pass is no run, whoever does so', async () => {
    const layers = connectionsOf(TWO);
    const { step, steps } = probeOn(layers);
    const applied = noteApplied(layers);
    const x = streams(8);
    /** Two rounds, with something between them. */
    const body = (given: tf.Tensor) => run(layers, tf.mul(run(layers, given), 0.9));
    /** As it is written by hand: nothing is kept but the input. */
    const checkpoint = tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
      const [given, save] = args as [tf.Tensor, tf.GradSaveFunc];
      save([given]);
      return {
        value: body(given),
        gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => {
          const { state } = tf.engine();
          const { activeTape } = state;
          const gradient = tf.grad(body)(saved, dy);
          state.activeTape = activeTape; // a gradient within one makes TF.js forget it
          return gradient;
        },
      };
    });
    const weights = layers.flatMap((layer) => layer.trainableWeights.map((w) => w.read()));
    for (const again of [checkpoint, (given: tf.Tensor) => recompute(body, given, weights)]) {
      const twice = (given: tf.Tensor) => lossOf(again(tf.tanh(again(given))));
      const total = await step(() => tf.sum(tf.grad(twice)(x)));
      expect((await total.data())[0]).not.toBeNaN();
      expect(steps.at(-1)!.names).toEqual(
        [1, 2, 3, 4].flatMap((round) => ['b0', 'b1'].map((name) => (round === 1 ? name : `${name}#${round}`))),
      );
      await expectComposite(steps.at(-1)!, applied.splice(0).slice(0, 8));
      // A micro-batch for each.
      tf.dispose(
        await step(() => tf.sum(tf.grad((given: tf.Tensor) => tf.add(lossOf(again(given)), lossOf(again(tf.neg(given)))) as tf.Scalar)(x))),
      );
      await expectComposite(steps.at(-1)!, applied.splice(0).slice(4, 8));
    }
  });

  test('one by hand alone, in a loop', async () => {
    const { probe, step, steps } = probeOn([{ name: 'hand', mapping: (given) => given }]);
    const w = tf.variable(normal([4, 4], 2));
    const rounds = (x: tf.Tensor) => {
      let s = x;
      for (let i = 0; i < 3; i++) {
        const h = tf.tanh(tf.mul(w, tf.mean(s)));
        const next = tf.matMul(h, s);
        observeOwn(probe, 0, h);
        s = next;
      }
      return lossOf(s);
    };
    const [x, y] = [normal([4, 5], 1), normal([4, 5], 3)];
    tf.dispose(await step(() => differentiate([], () => tf.add(rounds(x), rounds(y)) as tf.Scalar, [w])));
    expect(steps[0].names).toEqual(['hand', 'hand#2', 'hand#3']);
  });

  test.each([16, 32])('n = %i of a mapping of the own; more is refused', async (n) => {
    const { probe, step, steps, faults } = probeOn([{ name: 'own', mapping: (given) => given }]);
    const h = normal([8, n, n], 1);
    await step(() => observeOwn(probe, 0, h));
    const applied = [{ name: 'own', mapping: tf.clone(h) }];
    expect(steps[0].n).toBe(n);
    await expectComposite(steps[0], applied);
    await step(() => observeOwn(probe, 0, tf.ones([33, 33])));
    expect(faults).toEqual([expect.stringContaining('own: mapping must return H_res [..., n, n] with n from 1 to 32, got [33,33]')]);
  });

  test("connections of one's own: with a layer, and by hand", async () => {
    const layer = tf.layers.dense({ units: 4, kernelInitializer: tf.initializers.glorotNormal({ seed: 1 }) });
    layer.build([null, 4]);
    const { probe, step, steps, faults } = probeOn([
      { name: 'layer', layer, mapping: (out) => tf.softmax(out.reshape([-1, 2, 2])) },
      { name: 'hand', mapping: (given) => given },
    ]);
    const w = tf.variable(normal([2, 2], 2));
    const [x, y] = [normal([9, 4], 1), normal([9, 4], 3)];
    const applied: tf.Tensor[] = [];
    const loop = (given: tf.Tensor) => {
      let s = given;
      for (let i = 0; i < 3; i++) {
        const out = layer.apply(tf.tanh(s)) as tf.Tensor;
        const h = tf.tanh(tf.mul(w, tf.mean(out)));
        observeOwn(probe, 1, h);
        observeOwn(probe, 1, h); // the same run
        applied.push(tf.keep(tf.clone(h)));
        s = tf.matMul(out.reshape([-1, 2]), h).reshape([-1, 4]);
      }
      return lossOf(s);
    };
    const kernel = layer.trainableWeights[0].read() as tf.Variable;
    tf.dispose(await step(() => differentiate([], () => tf.add(loop(x), loop(y)) as tf.Scalar, [w, kernel])));
    expect(faults).toEqual([]);
    expect(steps[0].names).toEqual(['layer', 'hand', 'layer#2', 'hand#2', 'layer#3', 'hand#3']);
    const { mappings } = steps[0].sample;
    const perConnection = mappings.length / 6;
    for (const [round, h] of applied.slice(3).entries()) {
      expect(mappings.slice((2 * round + 1) * perConnection, (2 * round + 1) * perConnection + 4)).toEqual(await h.data());
    }
  });

  test('nothing is left behind', async () => {
    const layers = connectionsOf(TWO);
    const { step } = probeOn(layers, { gradientGain: true });
    const x = streams(9);
    const train = async (times: number) =>
      tf.dispose(await step(() => differentiate(layers, () => lossOf(run(repeated(layers, times), x)))));
    await train(1);
    const before = tf.memory().numTensors;
    for (const times of [3, 1, 9, 2]) await train(times);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a model of one loop in model.fit; one without any connection', async () => {
    const layers = connectionsOf(TWO);
    const input = tf.input({ shape: [TOKENS, CHANNELS] });
    let s = new ExpandStreams({ streams: N }).apply(input) as tf.SymbolicTensor;
    for (const layer of repeated(layers, 3)) s = layer.apply(s) as tf.SymbolicTensor;
    const model = tf.model({ inputs: input, outputs: new ReduceStreams().apply(s) as tf.SymbolicTensor });
    model.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
    const { step, steps } = probeOn(model, { optimizer: model.optimizer });
    const applied = noteApplied(layers);
    const x = normal([2, TOKENS, CHANNELS], 3);
    await step(() => model.fit(x, x, { epochs: 1, verbose: 0 }));
    expect(steps[0].names).toEqual(['b0', 'b1', 'b0#2', 'b1#2', 'b0#3', 'b1#3']);
    await expectComposite(steps[0], applied);
    const { connections, totals } = steps[0].sample.memory!;
    const bytes = MEMORY_KINDS.map((_, k) => [...connections.subarray(6 * k, 6 * k + 6)]);
    for (const kind of ['parameters', 'gradients'] as const) {
      // Shared by all runs: they stand at the first.
      expect(bytes[MEMORY_KINDS.indexOf(kind)].map((b) => b > 0)).toEqual([true, true, false, false, false, false]);
    }
    const activations = bytes[MEMORY_KINDS.indexOf('activations')];
    expect(Math.min(...activations)).toBeGreaterThan(0);
    expect(totals.get('activations')).toBe(activations.reduce((sum, b) => sum + b, 0));
    const gradients = rowOf(steps[0], 'logitGradient');
    expect(gradients[1]).toBeGreaterThan(0);
    expect(gradients.filter((value) => !Number.isNaN(value))).toHaveLength(1);
    const plain = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [3] })] });
    plain.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const baseline = probeOn(plain, { optimizer: plain.optimizer });
    await baseline.step(async () => {
      await plain.fit(tf.ones([4, 3]), tf.ones([4, 1]), { epochs: 1, verbose: 0 });
      return tf.scalar(0.5);
    });
    expect(baseline.steps[0].report).toMatchObject({ loss: 0.5, compositeGain: null });
    expect(baseline.steps[0].report.gradientNorm).toBeGreaterThan(0);
    expect(baseline.faults).toEqual([]);
  });

  test('nothing runs: a fault before anything has run; said of single ones after ten steps', async () => {
    const layers = connectionsOf(TWO);
    const { step, steps, faults, notices } = probeOn(layers);
    await step(() => null);
    expect(faults).toEqual(['none of the watched connections ran in it: is it another model that is trained?']);
    const x = streams(1);
    for (let i = 0; i < 12; i++) tf.dispose(await step(() => differentiate([layers[0]], () => lossOf(run([layers[0]], x)))));
    expect(steps).toHaveLength(12);
    for (let i = 0; i < 11; i++) await step(() => null);
    expect(steps).toHaveLength(23);
    expect(notices).toEqual([
      'not run in the first 10 steps, so taken for the identity: b1',
      'no connection ran in 10 steps in a row, so all are taken for the identity: is it another model that is trained?',
    ]);
  });
});
