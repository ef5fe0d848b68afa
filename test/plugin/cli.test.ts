import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunResult } from '../../plugin/cli/results.ts';
import { closeReader, openReader, readSteps } from '../../plugin/recorder/read.ts';
import { runCommand, startCommand } from '../support/demo.ts';
import { temporaryFolder } from '../support/folders.ts';

const SMALL = ['--steps', '12', '--depth', '1', '--width', '8', '--streams', '2', '--port', '0'];

describe('demo', () => {
  test.each(['wasm', 'cpu'])('trains three models on %s, records them and prints what it measured', async (backend) => {
    const runs = temporaryFolder();
    const { code, stdout, stderr } = await runCommand(['demo', ...SMALL, '--backend', backend, '--exit', '--json', '--runs', runs]);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^Dashboard {2}http:\/\/127\.0\.0\.1:\d+\/\n/m);
    const results = JSON.parse(stdout) as RunResult[];
    expect(results.map((r) => r.run)).toEqual(['hc', 'mhc', 'residual']);
    for (const result of results) {
      expect(result).toMatchObject({ steps: 12, samplesDropped: 0, errors: 0 });
      const reader = openReader(join(runs, `${result.run}.sqlite`));
      const steps = [...readSteps(reader)];
      closeReader(reader);
      expect(steps).toHaveLength(12);
      const last = steps.slice(-10).reduce((sum, s) => sum + (s.report.loss as number), 0) / 10;
      expect(result.lastLoss).toBeCloseTo(last, 5);
    }
    const [, mhc, residual] = results;
    expect(Math.abs(mhc.maxCompositeForwardGain - 1)).toBeLessThan(1e-5);
    expect(mhc.maxCompositeBackwardGain).toBeLessThan(2);
    expect(mhc.offDiagonalMass).toBeGreaterThan(0);
    expect(residual).toMatchObject({ maxCompositeForwardGain: 1, maxCompositeBackwardGain: 1, offDiagonalMass: 0 });
  });

  test('the same seed gives the same losses, another seed others', async () => {
    const losses = await Promise.all(
      ['5', '5', '6'].map(async (seed) => {
        const { stdout } = await runCommand(['demo', ...SMALL, '--seed', seed, '--exit', '--json', '--runs', temporaryFolder()]);
        return (JSON.parse(stdout) as RunResult[]).map((r) => r.lastLoss);
      }),
    );
    expect(losses[1]).toEqual(losses[0]);
    expect(losses[2]).not.toEqual(losses[0]);
  });

  test.each(['connections', 'blocks'])('--recompute %s gives the same losses and keeps less', async (mode) => {
    const [plain, rerun] = await Promise.all(
      ['none', mode].map(async (recompute) => {
        const args = ['demo', ...SMALL, '--recompute', recompute, '--exit', '--json', '--runs', temporaryFolder()];
        const { stdout } = await runCommand(args);
        return JSON.parse(stdout) as RunResult[];
      }),
    );
    expect(rerun.map((r) => r.lastLoss)).toEqual(plain.map((r) => r.lastLoss));
    for (const [i, { run, connectionActivations, branchActivations }] of rerun.entries()) {
      const less = mode === 'blocks' ? branchActivations! : connectionActivations!;
      if (run !== 'residual' || mode === 'blocks') {
        expect(less, run).toBeLessThan(mode === 'blocks' ? plain[i].branchActivations! : plain[i].connectionActivations!);
      }
    }
  });

  test('--kernels composed trains the same of stock operations', async () => {
    const losses = await Promise.all(
      ['fused', 'composed'].map(async (kernels) => {
        const { stdout } = await runCommand(['demo', ...SMALL, '--kernels', kernels, '--exit', '--json', '--runs', temporaryFolder()]);
        return (JSON.parse(stdout) as RunResult[]).map((r) => r.lastLoss);
      }),
    );
    losses[1].forEach((loss, i) => {
      expect(loss).toBeCloseTo(losses[0][i], 3);
    });
    expect(losses[1]).not.toEqual(losses[0]); // sums in another order: it was other kernels
  });

  test('keeps serving until Ctrl-C, and then ends well', async () => {
    const demo = await startCommand(['demo', ...SMALL, '--runs', temporaryFolder()]);
    onTestFinished(() => void demo.stop());
    await expect.poll(demo.stderr, { timeout: 30_000 }).toContain('Still serving');
    expect(demo.stdout()).toContain('max composite gain, forward');
    const metrics = await (await fetch(`${demo.url}metrics`)).text();
    expect(metrics).toContain('mhc_training_steps_total{run="hc"} 12');
    expect(metrics).toContain('mhc_run_outcome{run="mhc",outcome="completed"} 1');
    const start = performance.now();
    await demo.stop();
    expect(performance.now() - start).toBeLessThan(8000);
    expect(demo.child.signalCode ?? demo.child.exitCode).toBe('SIGINT');
  });

  test('Ctrl-C in mid-training keeps what was recorded and says how it ended', async () => {
    const runs = temporaryFolder();
    const demo = await startCommand(['demo', ...SMALL.slice(2), '--steps', '100000', '--runs', runs]);
    await expect
      .poll(async () => (await (await fetch(`${demo.url}metrics`)).text()).match(/steps_total\{run="residual"\} (\d+)/)?.[1])
      .not.toBeUndefined();
    await demo.stop();
    const reader = openReader(join(runs, 'hc.sqlite'));
    expect([...readSteps(reader)].length).toBeGreaterThan(0);
    const { readDetail } = await import('../../plugin/recorder/recordedRun.ts');
    expect(readDetail(reader)?.outcome).toBe('interrupted');
    closeReader(reader);
  });

  test.each([
    [['demo', '--steps', '0'], /--steps.*must be a whole number from 1/],
    [['demo', '--lr', '-1'], /--lr.*must be a number above 0/],
    [['demo', '--streams', '9'], /--streams.*from 1 to 8/],
    [['demo', '--recompute', 'all'], /--recompute.*Allowed choices are none, connections, blocks/],
    [['demo', '--backend', 'cuda'], /Allowed choices are wasm, cpu, webgpu, tensorflow/],
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
  ])('%j is refused with a word', async (args, message) => {
    const { code, stderr } = await runCommand(args);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('    at ');
  });

  test('a port that is taken is named, with the option', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    onTestFinished(() => void blocker.close());
    const { port } = blocker.address() as { port: number };
    const { code, stderr } = await runCommand(['demo', '--port', String(port)]);
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`port ${port} on 127.0.0.1 is taken.*--port`));
  });

  test("text of one's own", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'a.txt'), 'to be or not to be, that is the question. '.repeat(200));
    const { stderr } = await runCommand(['demo', ...SMALL, '--exit', '--text', folder, '--runs', join(folder, 'runs')]);
    expect(stderr).toContain(`1 files under ${folder}`);
  });
});

test('notify tries again, tells what came of each address, and fails where one failed', async () => {
  const asked: string[] = [];
  const receiver = createServer((request, response) => {
    asked.push(request.url!);
    // Silent the first time, as a server that restarts.
    if (request.url === '/late' && asked.filter((url) => url === '/late').length === 1) response.destroy();
    else response.writeHead(request.url === '/gone' ? 410 : 200).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => receiver.once('listening', resolve));
  onTestFinished(() => void receiver.close());
  const url = `http://127.0.0.1:${(receiver.address() as { port: number }).port}`;
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

describe('serve', () => {
  const post = (url: string, run: string, step: object, token?: string) =>
    fetch(`${url}api/v1/runs/${run}/steps`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ step: 1, order: ['block0'], ...step }),
    });

  test('begins with a folder that is not there yet, and asks for the token of a file', async () => {
    const folder = temporaryFolder();
    const runs = join(folder, 'deep', 'runs');
    const file = join(folder, 'token');
    writeFileSync(file, 'of-a-file-1\n');
    const args = ['serve', '--runs', runs, '--port', '0', '--host', '0.0.0.0', '--token-file', file];
    const serve = await startCommand(args);
    onTestFinished(() => void serve.stop());
    expect(serve.stderr()).toContain(`Recordings ${runs} (new)`);
    const step = { measures: { compositeForwardGain: [1.5] } };
    expect((await post(serve.url, 'a', step)).status).toBe(401);
    expect((await post(serve.url, 'a', step, 'of-a-file-1')).status).toBe(200);
    expect(existsSync(join(runs, 'a.sqlite'))).toBe(true);
    expect((await fetch(`${serve.url}healthz`)).status).toBe(200);
    await serve.stop();
    const again = await startCommand(args);
    onTestFinished(() => void again.stop());
    expect(again.stderr()).not.toContain('(new)');
  });

  test('--rank-label shows each rank, --notify posts the warnings of runs that are sent', async () => {
    const notices: string[] = [];
    const receiver = createServer(async (request, response) => {
      for await (const part of request) notices.push(String(part));
      response.end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => receiver.once('listening', resolve));
    onTestFinished(() => void receiver.close());
    const address = `http://127.0.0.1:${(receiver.address() as { port: number }).port}/`;
    const serve = await startCommand(['serve', '--runs', temporaryFolder(), '--port', '0', '--rank-label', '--notify', address]);
    onTestFinished(() => void serve.stop());
    const gains = { compositeForwardGain: ['NaN'], compositeBackwardGain: [1], forwardGain: [1], backwardGain: [1] };
    const answers = await Promise.all(
      [0, 1].map((rank) => post(serve.url, 'dp', { rank, world_size: 2, loss: 2 + rank, composite_gain: 'NaN', measures: gains })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const metrics = await (await fetch(`${serve.url}metrics`)).text();
    expect(metrics).toContain('mhc_rank_training_loss{run="dp",rank="0"} 2');
    expect(metrics).toContain('mhc_rank_training_loss{run="dp",rank="1"} 3');
    await expect.poll(() => notices.join('')).toContain('"run":"dp"');
  });
});

describe('a recording afterwards', () => {
  test('export, serve and replay give the same numbers', async () => {
    const runs = temporaryFolder();
    await runCommand(['demo', ...SMALL, '--exit', '--json', '--runs', runs]);
    const file = join(runs, 'hc.sqlite');
    const { stdout } = await runCommand(['export', file]);
    const [head, ...rows] = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    expect(rows).toHaveLength(12 * 2);
    const gain = rows.at(-1)![head.indexOf('compositeForwardGain')];
    expect(Number(gain)).toBeGreaterThan(0);

    const serve = await startCommand(['serve', '--runs', runs, '--port', '0']);
    onTestFinished(() => void serve.stop());
    const list = (await (await fetch(`${serve.url}api/v1/runs`)).json()) as { run: string; outcome: string }[];
    expect(list.map((r) => [r.run, r.outcome]).sort()).toEqual([
      ['hc', 'completed'],
      ['mhc', 'completed'],
      ['residual', 'completed'],
    ]);
    const latest = (await (await fetch(`${serve.url}api/v1/runs/hc/steps/latest`)).json()) as { measures: Record<string, number[]> };
    expect(String(latest.measures['compositeForwardGain'][1])).toBe(gain);
    expect(await serve.stop()).toBe(0);

    const replay = await startCommand(['replay', file, '--speed', '1000', '--port', '0']);
    onTestFinished(() => void replay.stop());
    await expect.poll(replay.stderr, { timeout: 15_000 }).toContain('Replayed');
    const metrics = await (await fetch(`${replay.url}metrics`)).text();
    expect(metrics).toContain(`mhc_composite_forward_gain_ratio{run="hc",layer="block0.mlp"} ${gain}`);
    expect(await replay.stop()).toBe(0);
  });

  test('the help of every command says what it does', async () => {
    for (const command of ['demo', 'serve', 'replay', 'export', 'notify']) {
      const { code, stdout } = await runCommand([command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: gainwatch ${command}`);
    }
  });
});
