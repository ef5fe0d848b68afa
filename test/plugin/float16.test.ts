/** watch() and the demo on WebGPU with streams in half precision. Skipped, loudly, where the optional packages or an adapter are missing. */
import { watch } from 'gainwatch';
import type { RecomputeMode } from 'gainwatch/connections';
import { describe, expect, test } from 'vitest';
import { loadBackend } from '../../dist/plugin/cli/backend.js';
import type { RunResult } from '../../plugin/cli/results.ts';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import { closeReader, openReader, readSteps } from '../../plugin/recorder/read.ts';
import { MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import { runCommand } from '../support/demo.ts';
import { temporaryFolder } from '../support/folders.ts';
import { BATCH, CONTEXT, createTraining } from '../support/training.ts';

const ready = await loadBackend('webgpu', 'float16').then(
  () => true,
  (error: Error) => {
    console.warn(`\nSKIPPED: WebGPU. ${error.message}\n`);
    return false;
  },
);
const STEPS = 5;

async function train(recompute: RecomputeMode, runs: string | null): Promise<number[]> {
  const training = createTraining('mhc', 2, recompute);
  const { model, optimizer } = training;
  const monitor = runs === null ? null : await watch(model, { run: 'test', port: 0, tokens: 8, log: () => {}, optimizer, runs });
  const losses: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const loss = monitor === null ? training.step() : monitor.step(training.step);
    losses.push((await loss.data<'float32'>())[0]);
    loss.dispose();
    await new Promise((resolve) => setTimeout(resolve, 100)); // the read comes back
  }
  await monitor?.close();
  expect(monitor?.counters ?? { errors: 0, samplesDropped: 0 }).toMatchObject({ errors: 0, samplesDropped: 0 });
  training.dispose();
  return losses;
}

describe.skipIf(!ready)("storage 'float16', watched", () => {
  test.each(['none', 'connections', 'blocks'] as const)(
    'recompute %s: losses are bit-identical, the measures come, the memory is that of halves',
    async (recompute) => {
      const runs = temporaryFolder();
      const plain = await train(recompute, null);
      expect(await train(recompute, runs)).toEqual(plain);
      const reader = openReader(recordingPath(runs, 'test'));
      const steps = [...readSteps(reader)];
      closeReader(reader);
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
    const size = ['--steps', '4', '--depth', '1', '--width', '8', '--streams', '2', '--recompute', 'connections'];
    const { code, stdout, stderr } = await runCommand([
      ...['demo', '--backend', 'webgpu', '--storage', 'float16', ...size, '--port', '0', '--exit', '--json', '--runs', temporaryFolder()],
    ]);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('storage float16');
    for (const result of JSON.parse(stdout) as RunResult[]) expect(result).toMatchObject({ steps: 4, samplesDropped: 0, errors: 0 });
  }, 120_000);
});

test.each([
  [['--backend', 'wasm'], '--storage float16 is for --backend webgpu only, got --backend wasm'],
  [['--backend', 'webgpu', '--kernels', 'composed'], '--storage float16 is for --kernels fused only, got --kernels composed'],
])('the demo refuses it with %j', async (flags, message) => {
  const { code, stderr } = await runCommand(['demo', '--storage', 'float16', ...flags]);
  expect(code).toBe(1);
  expect(stderr).toContain(message);
});
