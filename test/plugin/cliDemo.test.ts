/** `gainwatch demo` as its user starts it, and its text: the shipped one is pinned. Its figures: test/e2e/demoFigures.test.ts. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { loadText } from '../../dist/plugin/cli/demoText.js';
import { expectGoodDemo, runDemo, small, startForTest } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { recorded } from '../support/recorded.ts';

// Each test starts processes, which on a busy machine take long to load.
vi.setConfig({ testTimeout: 240_000 });

/** Last losses of the three models, with each of these flags. */
const lossesOf = (flags: string[][]) =>
  Promise.all(flags.map(async (args) => (await runDemo([...small(12), ...args])).results.map((r) => r.lastLoss)));

test.each(['wasm', 'cpu'])('trains three models on %s, records them and prints what it measured', async (backend) => {
  const { results, stderr, runs } = await runDemo([...small(12), '--backend', backend]);
  expect(stderr).toMatch(/^Dashboard {2}http:\/\/127\.0\.0\.1:\d+\/\n/m);
  expectGoodDemo(results, 12);
  for (const { run, lastLoss } of results) {
    const { steps } = recorded(runs, run);
    expect(steps).toHaveLength(12);
    expect(lastLoss).toBeCloseTo(steps.slice(-10).reduce((sum, s) => sum + (s.report.loss as number), 0) / 10, 5);
  }
});

test('the same seed gives the same losses, another seed others', async () => {
  const [first, again, other] = await lossesOf(['5', '5', '6'].map((seed) => ['--seed', seed]));
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
});

test.each(['connections', 'blocks'])('--recompute %s gives the same losses and keeps less', async (mode) => {
  const [plain, rerun] = await Promise.all(
    ['none', mode].map(async (recompute) => (await runDemo([...small(12), '--recompute', recompute])).results),
  );
  expect(rerun.map((r) => r.lastLoss)).toEqual(plain.map((r) => r.lastLoss));
  const kept = mode === 'blocks' ? 'branchActivations' : 'connectionActivations';
  for (const [i, result] of rerun.entries()) {
    if (result.run !== 'residual' || mode === 'blocks') expect(result[kept]!, result.run).toBeLessThan(plain[i][kept]!);
  }
});

test('--kernels composed trains the same of stock operations', async () => {
  const [fused, composed] = await lossesOf(['fused', 'composed'].map((kernels) => ['--kernels', kernels]));
  composed.forEach((loss, i) => {
    expect(loss).toBeCloseTo(fused[i], 3);
  });
  expect(composed).not.toEqual(fused); // sums in another order: it was other kernels
});

test('keeps serving until Ctrl-C, and then ends well', async () => {
  const demo = await startForTest(['demo', ...small(12), '--port', '0', '--runs', temporaryFolder()]);
  await expect.poll(demo.stderr).toContain('Still serving');
  expect(demo.stdout()).toContain('max composite gain, forward');
  const metrics = await (await fetch(`${demo.url}metrics`)).text();
  expect(metrics).toContain('mhc_training_steps_total{run="hc"} 12');
  expect(metrics).toContain('mhc_run_outcome{run="mhc",outcome="completed"} 1');
  await demo.stop();
  expect(demo.child.signalCode ?? demo.child.exitCode).toBe('SIGINT');
});

test('Ctrl-C in mid-training keeps what was recorded, and how it ended', async () => {
  const runs = temporaryFolder();
  const demo = await startForTest(['demo', ...small(100_000), '--port', '0', '--runs', runs]);
  await expect
    .poll(async () => (await (await fetch(`${demo.url}metrics`)).text()).match(/steps_total\{run="residual"\} (\d+)/)?.[1])
    .not.toBeUndefined();
  await demo.stop();
  const { steps, detail } = recorded(runs, 'hc');
  expect(steps.length).toBeGreaterThan(0);
  expect(detail?.outcome).toBe('interrupted');
});

test("text of one's own", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'a.txt'), 'to be or not to be, that is the question. '.repeat(200));
  const { stderr } = await runDemo([...small(12), '--text', folder]);
  expect(stderr).toContain(`1 files under ${folder}`);
});

test('the shipped text is the one that the figures of the README were made with', () => {
  const { bytes } = loadText(undefined);
  expect(bytes).toHaveLength(456_819);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe('28c928c722563068af045b4a5d39aa72f8ef4557b4071913db272f0eb377b781');
  expect(bytes.every((byte) => byte < 128)).toBe(true);
});

test('a file is read whole, a folder in the order of its names, without what is no text', () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'b'));
  const files = {
    'b/late.txt': 'b'.repeat(3000),
    'a.txt': 'a'.repeat(3000),
    'picture.bin': '\0'.repeat(3000),
    '.hidden': 'h'.repeat(3000),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const { bytes, source } = loadText(folder);
  expect(new TextDecoder().decode(bytes)).toBe('a'.repeat(3000) + 'b'.repeat(3000));
  expect(source).toBe(`2 files under ${folder}`);
  expect(() => loadText(join(folder, 'a.txt'))).toThrow(/holds 3000 bytes, at least 4096 are needed/);
});
