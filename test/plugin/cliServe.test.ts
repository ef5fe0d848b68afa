/** `gainwatch serve`, `export` and `replay` as their user starts them. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import type { RunSummary, StepAnswer } from '../../src/telemetry/api.ts';
import { runCommand, runDemo, small, startForTest } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { listenLocally } from '../support/servers.ts';
import { json } from '../support/service.ts';
import { sendJson } from '../support/wire.ts';

test('begins with a folder that is not there yet, and asks for the token of a file', async () => {
  const folder = temporaryFolder();
  const runs = join(folder, 'deep', 'runs');
  const file = join(folder, 'token');
  writeFileSync(file, 'of-a-file-1\n');
  const args = ['serve', '--runs', runs, '--port', '0', '--host', '0.0.0.0', '--token-file', file];
  const serve = await startForTest(args);
  expect(serve.stderr()).toContain(`Recordings ${runs} (new)`);
  const step = { step: 1, order: ['block0'], measures: { compositeForwardGain: [1.5] } };
  expect((await sendJson(serve, 'a', step)).status).toBe(401);
  expect((await sendJson(serve, 'a', step, { Authorization: 'Bearer of-a-file-1' })).status).toBe(200);
  expect(existsSync(join(runs, 'a.sqlite'))).toBe(true);
  expect((await fetch(`${serve.url}healthz`)).status).toBe(200);
  await serve.stop();
  const again = await startForTest(args);
  expect(again.stderr()).not.toContain('(new)');
});

test('--rank-label shows each rank, --notify posts the warnings of runs that are sent', async () => {
  const notices: string[] = [];
  const port = await listenLocally(async (request, response) => {
    notices.push(await text(request));
    response.end();
  });
  const address = `http://127.0.0.1:${port}/`;
  const serve = await startForTest(['serve', '--runs', temporaryFolder(), '--port', '0', '--rank-label', '--notify', address]);
  const gains = { compositeForwardGain: ['NaN'], compositeBackwardGain: [1], forwardGain: [1], backwardGain: [1] };
  const step = { step: 1, order: ['block0'], world_size: 2, composite_gain: 'NaN', measures: gains };
  const answers = await Promise.all([0, 1].map((rank) => sendJson(serve, 'dp', { ...step, rank, loss: 2 + rank })));
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  const metrics = await (await fetch(`${serve.url}metrics`)).text();
  expect(metrics).toContain('mhc_rank_training_loss{run="dp",rank="0"} 2');
  expect(metrics).toContain('mhc_rank_training_loss{run="dp",rank="1"} 3');
  await expect.poll(() => notices.join('')).toContain('"run":"dp"');
});

test('export, serve and replay of a recording give the same numbers', async () => {
  const { runs } = await runDemo(small(12));
  const file = join(runs, 'hc.sqlite');
  const { stdout } = await runCommand(['export', file]);
  const [head, ...rows] = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  expect(rows).toHaveLength(12 * 2);
  const gain = rows.at(-1)![head.indexOf('compositeForwardGain')];
  expect(Number(gain)).toBeGreaterThan(0);

  const serve = await startForTest(['serve', '--runs', runs, '--port', '0']);
  const list = await json<RunSummary[]>(serve, 'api/v1/runs');
  expect(list.map((r) => [r.run, r.outcome]).sort()).toEqual([
    ['hc', 'completed'],
    ['mhc', 'completed'],
    ['residual', 'completed'],
  ]);
  const latest = await json<StepAnswer>(serve, 'api/v1/runs/hc/steps/latest');
  expect(String(latest.measures['compositeForwardGain'][1])).toBe(gain);
  expect(await serve.stop()).toBe(0);

  const replay = await startForTest(['replay', file, '--speed', '1000', '--port', '0']);
  await expect.poll(replay.stderr).toContain('Replayed');
  const metrics = await (await fetch(`${replay.url}metrics`)).text();
  expect(metrics).toContain(`mhc_composite_forward_gain_ratio{run="hc",layer="block0.mlp"} ${gain}`);
  expect(await replay.stop()).toBe(0);
});
