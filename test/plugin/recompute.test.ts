/** watch() on models that compute part of the forward pass again in the backward pass. */
import * as tf from '@tensorflow/tfjs';
import { type RecomputeMode, recompute } from 'gainwatch/connections';
import { expect, test } from 'vitest';
import { MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import { onHosts } from '../support/backends.ts';
import { recorded } from '../support/recorded.ts';
import { BATCH, CONTEXT, createTraining, unwatchedLosses } from '../support/smallTraining.ts';
import { startWatching, trainWatched } from '../support/watched.ts';

type Connection = Parameters<typeof createTraining>[0];
const STEPS = 4;
const LAYERS = 4;

async function watched(connection: Connection, mode: RecomputeMode) {
  const { leaked, ...result } = await trainWatched(createTraining(connection, LAYERS / 2, mode), STEPS, { gradientGain: true });
  expect(leaked).toBe(0);
  return result;
}

onHosts('watch() under recompute', () => {
  test.each(['residual', 'hc', 'hc-static', 'mhc', 'mhc-deepseek'] as const)(
    '%s: same losses to the bit, one record a step, same measures, gradient gains too',
    async (connection) => {
      const plain = await watched(connection, 'none');
      expect(plain.losses).toEqual(unwatchedLosses(connection, STEPS));
      for (const mode of ['connections', 'blocks'] as const) {
        const { losses, steps } = await watched(connection, mode);
        expect(losses, mode).toEqual(plain.losses);
        expect(steps.map((s) => s.report.step)).toEqual([1, 2, 3, 4]);
        expect(steps.map((s) => s.header.connections)).toEqual(plain.steps.map((s) => s.header.connections));
        expect(steps.map((s) => s.report.measures)).toEqual(plain.steps.map((s) => s.report.measures));
        expect(steps.map((s) => s.report.gradientNorm)).toEqual(plain.steps.map((s) => s.report.gradientNorm));
      }
    },
  );

  test('memory by connection is what is kept: the streams once a block, the outputs of the branches, or only the streams', async () => {
    const tokens = BATCH * CONTEXT;
    const [channels, n] = [8, 4];
    const kept = async (connection: Connection, mode: RecomputeMode) => {
      const { steps } = await watched(connection, mode);
      const { connections, totals } = steps.at(-1)!.report.memory!;
      const of = (kind: (typeof MEMORY_KINDS)[number]) => {
        const at = MEMORY_KINDS.indexOf(kind) * LAYERS;
        return [...connections.slice(at, at + LAYERS)].map((bytes) => bytes / (4 * tokens * channels));
      };
      return { own: of('activations'), branches: of('branch_activations'), total: totals.get('activations')! / (4 * tokens * channels) };
    };
    const none = await kept('mhc', 'none');
    const connections = await kept('mhc', 'connections');
    // The branch's output counts as the branch's where an operation of its own keeps it too.
    const output = connections.own[1];
    expect([0, 1]).toContain(output);
    expect(connections.own).toEqual([n + output, output, n + output, output]);
    expect(connections.total).toBe(2 * n + LAYERS * output);
    expect(connections.branches).toEqual(none.branches);
    expect(Math.min(...none.own)).toBeGreaterThan(n + output);
    const blocks = await kept('mhc', 'blocks');
    expect(blocks.own).toEqual([n, 0, n, 0]);
    expect(blocks.branches).toEqual([0, 0, 0, 0]);
    expect((await kept('residual', 'blocks')).own).toEqual([1, 0, 1, 0]);
  });

  test("a connection of one's own in a function that is rerun is looked at once", async () => {
    let looks = 0;
    const mapping = (t: tf.Tensor) => {
      looks++;
      return tf.softmax(t);
    };
    const { monitor, runs } = await startWatching([{ name: 'own', mapping }]);
    const w = tf.variable(tf.ones([2, 2]));
    monitor.step(() =>
      tf.tidy(() => {
        const f = (x: tf.Tensor) => {
          const h = tf.mul(x, w);
          monitor.observe('own', h);
          return tf.square(h);
        };
        const { value, grads } = tf.variableGrads(() => tf.sum(recompute(f, tf.eye(2), [w])), [w]);
        expect(grads[w.name].arraySync()).toEqual([
          [2, 0],
          [0, 2],
        ]);
        return value.dataSync()[0];
      }),
    );
    await monitor.close();
    expect(looks).toBe(1);
    expect(recorded(runs).steps).toHaveLength(1);
    w.dispose();
  });
});
