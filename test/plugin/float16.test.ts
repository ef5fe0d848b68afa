/**
 * watch() and the demo on WebGPU with streams in half precision. Skipped, loudly, where the optional packages or an adapter are
 * missing.
 */
import type { RecomputeMode } from 'gainwatch/connections';
import { describe, expect, test } from 'vitest';
import { MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import { runDemo, small } from '../support/commandLine.ts';
import { recorded } from '../support/recorded.ts';
import { BATCH, CONTEXT, createTraining } from '../support/smallTraining.ts';
import { loadWebgpu, startWatching } from '../support/watched.ts';

const ready = await loadWebgpu('float16');
const STEPS = 5;

async function train(recompute: RecomputeMode, isWatched: boolean) {
  const training = createTraining('mhc', 2, recompute);
  const watched = isWatched ? await startWatching(training.model, { optimizer: training.optimizer }) : null;
  const losses: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const loss = watched?.monitor.step(training.step) ?? training.step();
    losses.push((await loss.data<'float32'>())[0]); // the watched step's read came before
    loss.dispose();
  }
  if (watched === null) return { losses, steps: [] };
  await watched.monitor.close();
  expect(watched.monitor.counters).toMatchObject({ errors: 0, samplesDropped: 0 });
  return { losses, steps: recorded(watched.runs).steps };
}

describe.skipIf(!ready)("storage 'float16', watched", () => {
  test.each(['none', 'connections', 'blocks'] as const)(
    'recompute %s: losses are bit-identical, the measures come, the memory is that of halves',
    async (recompute) => {
      const plain = await train(recompute, false);
      const { losses, steps } = await train(recompute, true);
      expect(losses).toEqual(plain.losses);
      expect(steps).toHaveLength(STEPS);
      for (const { report } of steps) {
        expect(report.gradientNorm).toBeGreaterThan(0);
        expect([...report.nonfinite]).toEqual([0, 0, 0, 0]);
      }
      if (recompute !== 'none') return;
      // n = 4, C = 8. The second connection keeps its streams and F in halves; phi is a weight, the coefficients are float32.
      const [n, channels, tokens] = [4, 8, BATCH * CONTEXT];
      const { memory } = steps[1].report;
      const kept = memory!.connections[MEMORY_KINDS.indexOf('activations') * 4 + 1];
      const first = memory!.connections[MEMORY_KINDS.indexOf('activations') * 4];
      expect(first - kept).toBe(2 * n * channels * tokens);
      expect(kept).toBeLessThan((2 * (n + 1) * channels + 4 * (4 * n * n + 8 * n)) * tokens);
    },
    240_000,
  );

  test('gainwatch demo --storage float16 trains and drops nothing', async () => {
    const flags = ['--backend', 'webgpu', '--storage', 'float16', '--recompute', 'connections'];
    const { results, stderr } = await runDemo([...small(4), ...flags]);
    expect(stderr).toContain('storage float16');
    for (const result of results) expect(result).toMatchObject({ steps: 4, samplesDropped: 0, errors: 0 });
  }, 120_000);
});
