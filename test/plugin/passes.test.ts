/**
 * Connections that run several times in a step, or not at all: which runs are one forward pass, and what the sample is then. The
 * composite gain is held against a product in float64 of each H_res as it was applied.
 */
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { MAX_PLACES } from '../../plugin/probe/places.ts';
import { seededRandom } from '../../src/model/random.ts';
import { onEveryBackend } from '../support/backends.ts';
import { connectionsOf, differentiate, lossOf, repeated, rowOf, run, streams, TWO, zeroOf } from '../support/looped.ts';
import { expectComposite, noteApplied, probeOn } from '../support/probed.ts';

onEveryBackend('passes', () => {
  test('a list that runs three times counts three times; the number may change; more than eight times is left out, once said', async () => {
    const layers = connectionsOf(TWO);
    const { step, steps, notices, faults } = probeOn(layers);
    const applied = noteApplied(layers);
    const x = streams(1);
    const loop = async (times: number) => {
      // Between the rounds are operations of the loop's own.
      const loss = () => {
        let s: tf.Tensor = x;
        for (let i = 0; i < times; i++) s = tf.mul(run(layers, s), 0.9);
        return lossOf(s);
      };
      tf.dispose(await step(() => differentiate(layers, loss)));
    };
    for (const times of [3, 1, 4, 2]) {
      await loop(times);
      await expectComposite(steps.at(-1)!, applied);
    }
    const rounds = (count: number) =>
      Array.from({ length: count }, (_, i) => ['b0', 'b1'].map((name) => (i === 0 ? name : `${name}#${i + 1}`)));
    expect(steps.map(({ names }) => names)).toEqual([3, 3, 4, 4].map((count) => rounds(count).flat()));
    // Those that did not run are the identity.
    expect(rowOf(steps[1], 'forwardGain').slice(2)).toEqual([1, 1, 1, 1]);
    expect(rowOf(steps[1], 'activationGain').map(Number.isNaN)).toEqual([false, false, true, true, true, true]);
    expect(steps.flatMap(({ report }) => [...report.nonfinite]).every((count) => count === 0)).toBe(true);
    expect(notices).toEqual([]);
    await loop(MAX_PLACES + 2);
    await loop(MAX_PLACES + 2);
    expect(steps.at(-1)!.names).toEqual(rounds(MAX_PLACES).flat());
    await expectComposite(steps.at(-1)!, applied.splice(0).slice(-20, -4));
    expect(new Set(notices).size).toBe(1);
    expect(notices[0]).toMatch(/what comes after 8 × the 2 connections is left out/);
    expect(faults).toEqual([]);
  });

  test('layers are dropped: the identity in that step, in the order that is listed', async () => {
    const layers = connectionsOf(['hc', 'hc', 'mhc', 'hc', 'hc', 'hc']);
    const { step, steps, faults } = probeOn(layers);
    const applied = noteApplied(layers);
    const random = seededRandom(5);
    const x = streams(2);
    for (let i = 0; i < 12; i++) {
      const kept = layers.filter((_, l) => (i === 3 ? false : l === 4 ? i > 6 : random() >= 0.3));
      tf.dispose(await step(() => differentiate(layers, () => lossOf(tf.add(run(kept, x), zeroOf(layers))))));
      const last = steps.at(-1)!;
      if (kept.length > 0) await expectComposite(last, applied);
      else expect(last.report.compositeGain).toBe(1);
      const ran = layers.map((layer) => kept.includes(layer));
      expect(rowOf(last, 'activationGain').map((gain) => !Number.isNaN(gain))).toEqual(ran);
      expect(rowOf(last, 'forwardGain').every((gain, l) => ran[l] || gain === 1)).toBe(true);
      expect(last.names).toEqual(['b0', 'b1', 'b2', 'b3', 'b4', 'b5']);
      expect([...last.report.nonfinite]).toEqual([0, 0, 0, 0, 0, 0]);
    }
    expect(steps).toHaveLength(12);
    expect(faults).toEqual([]);
  });

  test('layers are dropped in rounds of a loop: a place of their own each', async () => {
    const layers = connectionsOf(TWO);
    const [a, b] = layers;
    const { step, steps } = probeOn(layers);
    const applied = noteApplied(layers);
    const x = streams(3);
    for (const order of [
      [a, b, a, b, a, b],
      [a, b, a, a, b],
      [b, a, b],
      [a, a, a, b, b, b],
      [a, b, a, b, a, b],
    ]) {
      tf.dispose(await step(() => differentiate(layers, () => lossOf(tf.add(run(order, x), zeroOf(layers))))));
      await expectComposite(steps.at(-1)!, applied);
    }
    expect(steps[1].names).toEqual(['b0', 'b1', 'b0#2', 'b1#2', 'b0#3', 'b1#3']);
    expect(rowOf(steps[1], 'activationGain').map(Number.isNaN)).toEqual([false, false, false, true, false, false]);
    expect(rowOf(steps[2], 'activationGain').map(Number.isNaN)).toEqual([true, false, false, false, true, true]);
  });

  test('micro-batches, evaluations and pairs are no repetition: the last differentiated pass counts', async () => {
    const layers = connectionsOf(['hc', 'mhc', 'hc']);
    const { step, steps, faults } = probeOn(layers);
    const applied = noteApplied(layers);
    const [x, y, z] = [4, 5, 6].map(streams);
    const pass = (given: tf.Tensor) => () => lossOf(run(repeated(layers, 2), given));
    const evaluate = () => tf.tidy(() => void run(layers, z).dataSync);
    const ways: Record<string, () => tf.Tensor> = {
      'a gradient for each': () => {
        tf.dispose(differentiate(layers, pass(x)));
        return differentiate(layers, pass(y));
      },
      'one gradient of the sum': () => differentiate(layers, () => tf.add(pass(x)(), pass(y)()) as tf.Scalar),
      'an evaluation before and after': () => {
        evaluate();
        const loss = differentiate(layers, pass(y));
        evaluate();
        return loss;
      },
    };
    for (const [name, act] of Object.entries(ways)) {
      tf.dispose(await step(act));
      const last = name.includes('evaluation') ? applied.splice(0).slice(3, 9) : applied.splice(0).slice(6);
      await expectComposite(steps.at(-1)!, last);
      expect(steps.at(-1)!.names, name).toEqual(['b0', 'b1', 'b2', 'b0#2', 'b1#2', 'b2#2']);
    }
    // A trunk, a pair of twins on it, and a head: the trunk and the head count with the second twin.
    const [trunk, twin, head] = layers;
    tf.dispose(
      await step(() =>
        differentiate(layers, () => {
          const t = run([trunk], x);
          return lossOf(run([head], tf.add(run([twin], tf.mul(t, 2)), run([twin], tf.mul(t, 3)))));
        }),
      ),
    );
    const [a, , b, c] = applied.splice(0);
    await expectComposite(steps.at(-1)!, [a, b, c]);
    // Layers are dropped in micro-batches.
    for (const orders of [
      [
        [0, 2],
        [1, 2],
      ],
      [[0, 1], [2]],
      [[1, 2], [0]],
    ]) {
      const [first, second] = orders.map((order) => order.map((l) => layers[l]));
      tf.dispose(
        await step(() => {
          tf.dispose(differentiate(layers, () => tf.add(lossOf(run(first, x)), zeroOf(layers)) as tf.Scalar));
          return differentiate(layers, () => tf.add(lossOf(run(second, y)), zeroOf(layers)) as tf.Scalar);
        }),
      );
      await expectComposite(steps.at(-1)!, applied.splice(0).slice(first.length));
    }
    expect(faults).toEqual([]);
  });
});
