/** The commands beside `demo` as their user starts them: what they refuse, their help, serve, export, replay and notify. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test, vi } from 'vitest';
import type { RunSummary, StepAnswer } from '../../src/telemetry/api.ts';
import { runCommand, runDemo, small, startForTest } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { listenLocally } from '../support/servers.ts';
import { json } from '../support/service.ts';
import { sendJson } from '../support/wire.ts';

// Each test starts processes, which on a busy machine take long to load.
vi.setConfig({ testTimeout: 240_000 });

test.each([
  [['demo', '--steps', '0'], /--steps.*must be a whole number from 1/],
  [['demo', '--lr', '-1'], /--lr.*must be a number above 0/],
  [['demo', '--streams', '9'], /--streams.*from 1 to 8/],
  [['demo', '--recompute', 'all'], /--recompute.*Allowed choices are none, connections, blocks/],
  [['demo', '--backend', 'cuda'], /Allowed choices are wasm, cpu, webgpu, tensorflow/],
  [['demo', '--storage', 'float16', '--backend', 'wasm'], /--storage float16 is for --backend webgpu only, got --backend wasm/],
  [['demo', '--storage', 'float16', '--backend', 'webgpu', '--kernels', 'composed'], /is for --kernels fused only, got --kernels composed/],
  [['demo', '--text', '/no/such'], /text \/no\/such does not exist/],
  [['demo', '--host', '0.0.0.0', '--port', '0'], /give a token/],
  [['serve', '--runs', '/dev/null/runs'], /the folder \/dev\/null\/runs cannot be created \(--runs\)/],
  [['serve', '--runs', '/dev/null'], /the folder \/dev\/null cannot be created \(--runs\)/],
  [['serve', '--host', '0.0.0.0', '--port', '0'], /give a token \(--token, --token-file, GAINWATCH_TOKEN\)/],
  [['serve', '--token-file', '/no/such'], /token-file \/no\/such cannot be read \(--token-file, GAINWATCH_TOKEN_FILE\): ENOENT/],
  [['serve', '--token-file', '/dev/null'], /token-file \/dev\/null \(.*\) must hold at least 8 printable characters/],
  [['serve', '--token-file', '/no/such', '--token', '12345678'], /token-file .* and token .* are both given: give one/],
  [['serve', '--notify', 'ftp://example.org'], /must be an http or https address/],
  [['replay', '/no/such'], /\/no\/such cannot be opened/],
  [['export', '/no/such'], /\/no\/such cannot be opened/],
  [['notify', 'ftp://example.org'], /must be an http or https address/],
  [['dmeo'], /unknown command 'dmeo'/],
])('%j is refused with a reason', async (args, message) => {
  const { code, stderr } = await runCommand(args);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(message);
  expect(stderr).not.toContain('    at ');
});

test.each([[['demo']], [['serve', '--no-record']]])('%j: a port that is taken is named, with the option', async (command) => {
  const port = await listenLocally();
  const { code, stderr } = await runCommand([...command, '--port', String(port)]);
  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`port ${port} on 127.0.0.1 is taken.*--port`));
});

test('notify tries again, prints what came of each address, and fails where one failed', async () => {
  const asked: string[] = [];
  const port = await listenLocally((request, response) => {
    asked.push(request.url!);
    // Silent the first time, as a server that restarts.
    if (request.url === '/late' && asked.filter((url) => url === '/late').length === 1) response.destroy();
    else response.writeHead(request.url === '/gone' ? 410 : 200).end();
  });
  const url = `http://127.0.0.1:${port}`;
  const { code, stderr } = await runCommand(['notify', `${url}/late`, `slack:${url}/gone`]);
  expect(stderr.trim().split('\n').sort()).toEqual([
    `${url} (slack): it answers 410`,
    `${url} (webhook): delivered`,
    expect.stringMatching(/: .+; trying again$/),
  ]);
  expect(code).toBe(1);
  expect(asked.sort()).toEqual(['/gone', '/late', '/late']);
  expect((await runCommand(['notify', `${url}/late`])).code).toBe(0);
});

test.each(['demo', 'serve', 'replay', 'export', 'notify'])('the help of %s says what it does', async (command) => {
  const { code, stdout } = await runCommand([command, '--help']);
  expect(code).toBe(0);
  expect(stdout).toContain(`Usage: gainwatch ${command}`);
});

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
