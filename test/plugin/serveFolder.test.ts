/** `gainwatch serve` and its folder: it is alone there, says what it keeps, and lets nobody else read what it writes. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import type { RunSummary } from '../../src/telemetry/api.ts';
import { collect, GAINWATCH, runCommand, startCommand, startForTest } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { testHeader, testReport } from '../support/samples.ts';
import { json } from '../support/service.ts';
import { recording } from '../support/uploads.ts';
import { sendJson } from '../support/wire.ts';

// Each test starts processes, which on a busy machine take long to load.
vi.setConfig({ testTimeout: 240_000 });

const serve = (runs: string, ...more: string[]): string[] => ['serve', '--port', '0', '--runs', runs, ...more];
const step = { step: 1, attempt: 'a', loss: 2, order: ['a'], measures: { compositeForwardGain: [1.1] } };

test('a second serve of the folder is refused, naming the first, also where that is stopped; another folder is free', async () => {
  const runs = temporaryFolder();
  const first = await startForTest(serve(runs));
  const refused = async () => {
    const { code, stderr } = await runCommand(serve(runs));
    expect(code).toBe(1);
    return stderr;
  };
  const answer = await refused();
  expect(answer).toMatch(
    /^gainwatch: the folder .* has a gainwatch serve already, process \d+ on \S+, http:\S+, since 2\S+Z: use that one, stop it, or/,
  );
  expect(answer).toContain(`process ${first.child.pid} on`);
  expect(answer).toContain(first.url);
  first.child.kill('SIGSTOP');
  expect(await refused()).toBe(answer);
  first.child.kill('SIGCONT');
  await startForTest(serve(temporaryFolder()));
  expect((await fetch(`${first.url}healthz`)).status).toBe(200);
});

test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('after %s of the first the folder is free', async (signal) => {
  const runs = temporaryFolder();
  const first = await startCommand(serve(runs));
  const ended = once(first.child, 'close');
  first.child.kill(signal);
  await ended;
  expect(existsSync(join(runs, '.serve.json'))).toBe(signal === 'SIGKILL');
  const second = await startForTest(serve(runs));
  expect(JSON.parse(readFileSync(join(runs, '.serve.json'), 'utf8'))).toMatchObject({ pid: second.child.pid, url: second.url });
});

test('what a process started before it died holds no lock', async () => {
  const runs = temporaryFolder();
  // As a shell that was started from it: it has inherited what is inherited.
  const lock = new URL('../../dist/plugin/recorder/serveLock.js', import.meta.url);
  const code = `
    import { spawn } from 'node:child_process';
    import { takeServeLock } from '${lock}';
    takeServeLock(process.argv[1], Date.now(), console.error);
    console.log(spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).pid);
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', code, runs]);
  const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
  onTestFinished(() => void process.kill(Number(pid), 'SIGKILL'));
  expect((await runCommand(serve(runs))).stderr).toContain(`process ${parent.pid} on`);
  const ended = once(parent, 'close');
  parent.kill('SIGKILL');
  await ended;
  await startForTest(serve(runs));
});

test('serve beside a process that writes runs of its own there', async () => {
  const runs = temporaryFolder();
  const own = openRecording(runs, testHeader('hc'), 1000);
  const { url } = await startForTest(serve(runs));
  await sendJson({ url }, 'sent', step);
  commitReports(own, [testReport(own.listing.header, 1)]);
  closeRecording(own, 'completed', 2000);
  expect((await json<RunSummary[]>({ url }, 'api/v1/runs')).map(({ run }) => run).sort()).toEqual(['hc', 'sent']);
});

test('--no-record keeps nothing, and says so', async () => {
  const folder = temporaryFolder();
  const runs = join(folder, 'runs');
  const command = await startForTest(serve(runs, '--no-record'));
  expect((await sendJson(command, 'sent', step)).answer['accepted']).toBe(1);
  expect((await json<RunSummary[]>(command, 'api/v1/runs')).map(({ run }) => run)).toEqual(['sent']);
  expect(existsSync(runs)).toBe(false);
  expect(command.stderr()).toMatch(/^Recordings none: nothing is kept \(--no-record\)$/m);
});

test.each([
  [['--no-record', '--keep-days', '3'], /--keep-days and --max-bytes go with recordings: not with --no-record/],
  [['--keep-days', '0'], /--keep-days.*must be a number above 0/],
  [['--max-bytes', '10X'], /--max-bytes.*must be a number of bytes above 0, or one with K, M, G or T/],
  [['--max-bytes', '-1'], /--max-bytes.*must be a number of bytes above 0/],
  [['--max-bytes', '0G'], /--max-bytes.*must be a number of bytes above 0/],
  [['--max-bytes', '9000000T'], /--max-bytes.*must be a number of bytes above 0/],
])('serve %j is refused with a reason', async (args, message) => {
  const { code, stderr } = await runCommand(serve(temporaryFolder(), ...args));
  expect(code).not.toBe(0);
  expect(stderr).toMatch(message);
});

/** With the umask that takes nothing away. */
async function startOpenly(runs: string) {
  const child = spawn('sh', ['-c', 'umask 000; exec "$0" "$@"', process.execPath, GAINWATCH, ...serve(runs)]);
  onTestFinished(() => void child.kill('SIGINT'));
  return { url: await addressOf(child), child };
}

/** Of the dashboard, as it is printed. */
async function addressOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  const stderr = collect(child.stderr);
  const address = () => /^Dashboard\s+(\S+)/m.exec(stderr())?.[1];
  await vi.waitFor(() => expect(address()).toBeDefined(), 60_000);
  return address()!;
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

test('with any umask files are for their owner alone, and what exists stays as it is', async () => {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const runs = join(folder, 'deep', 'runs');
  const { url } = await startOpenly(runs);
  await sendJson({ url }, 'sent', step);
  expect((await fetch(`${url}api/v1/recordings`, { method: 'POST', body: new Uint8Array(recording()) })).status).toBe(201);
  for (const made of ['..', '.', 'uploads']) expect([made, modeOf(join(runs, made))]).toEqual([made, '700']);
  const files = readdirSync(runs).filter((name) => name !== 'uploads');
  expect(files.sort()).toEqual(['.serve.json', '.serve.lock', 'sent.sqlite', 'sent.sqlite-shm', 'sent.sqlite-wal']);
  for (const file of files) expect([file, modeOf(join(runs, file))]).toEqual([file, '600']);
  expect(modeOf(join(runs, 'uploads', 'hc.sqlite'))).toBe('400');
  expect(modeOf(folder)).toBe('755');
  const out = join(folder, 'out.csv');
  expect((await runCommand(['export', join(runs, 'sent.sqlite'), '--out', out])).code).toBe(0);
  expect(modeOf(out)).toBe('600');
});

test('a folder and a recording of its user keep their modes', async () => {
  const runs = join(temporaryFolder(), 'runs');
  mkdirSync(runs);
  chmodSync(runs, 0o750);
  const own = openRecording(runs, { ...testHeader('hc'), run: 'sent' }, 1000);
  closeRecording(own, 'completed', 2000);
  chmodSync(own.path, 0o640);
  const { url } = await startOpenly(runs);
  await sendJson({ url }, 'sent', step);
  expect(modeOf(runs)).toBe('750');
  expect(modeOf(own.path)).toBe('640');
});

test('with few file handles many recordings are listed, again and again', async () => {
  const runs = temporaryFolder();
  const path = openRecording(runs, testHeader('hc'), 1000);
  commitReports(path, [testReport(path.listing.header, 1)]);
  closeRecording(path, 'completed', 2000);
  for (let i = 0; i < 60; i++) copyFileSync(path.path, join(runs, `copy-${i}.sqlite`));
  const child = spawn('bash', ['-c', 'ulimit -n 100; exec "$0" "$@"', process.execPath, GAINWATCH, ...serve(runs)]);
  onTestFinished(() => void child.kill('SIGINT'));
  const url = await addressOf(child);
  for (let asked = 0; asked < 5; asked++) expect(await json<RunSummary[]>({ url }, 'api/v1/runs')).toHaveLength(61);
});

const isRoot = process.getuid?.() === 0;

test.skipIf(!isRoot)('an ended recording in a folder that may not be written is listed, shown and exported', async () => {
  const folder = temporaryFolder();
  const runs = join(folder, 'runs % ?#');
  const code = `
    const { openRecording, commitReports, closeRecording } = await import('${new URL('../../dist/plugin/recorder/write.js', import.meta.url)}');
    const recording = openRecording(process.argv[1], ${JSON.stringify(testHeader('hc'))}, 1000);
    const report = ${JSON.stringify({ ...testReport(testHeader('hc'), 1), memory: null })};
    const arrays = { measures: new Float32Array(63), mapping: new Float32Array(12), nonfinite: new Float64Array(3) };
    commitReports(recording, [{ ...report, ...arrays }]);
    closeRecording(recording, 'completed', 2000);`;
  const writer = spawn(process.execPath, ['--input-type=module', '-e', code, runs], { stdio: 'inherit' });
  expect(await once(writer, 'close')).toEqual([0, null]);
  for (const file of readdirSync(runs)) chmodSync(join(runs, file), 0o444);
  writeFileSync(join(runs, 'broken.sqlite'), 'x'.repeat(5000));
  chmodSync(runs, 0o555);
  chmodSync(folder, 0o755);
  const as = { uid: 65534, gid: 65534, env: { ...process.env, HOME: folder } };
  const child = spawn(process.execPath, [GAINWATCH, ...serve(runs)], as);
  onTestFinished(() => void child.kill('SIGINT'));
  const stderr = collect(child.stderr);
  const url = await addressOf(child);
  expect((await json<RunSummary[]>({ url }, 'api/v1/runs')).map(({ run, lastStep }) => [run, lastStep])).toEqual([['hc', 1]]);
  expect(await json({ url }, 'api/v1/runs/hc/steps/latest')).toMatchObject({ step: 1 });
  expect(stderr()).toMatch(/takes no lock \(.*\): make sure that no other gainwatch serve has it/);
  expect(stderr()).toMatch(/^gainwatch: run broken is not listed: it has a recording that cannot be read: /m);
  const csv = spawn(process.execPath, [GAINWATCH, 'export', join(runs, 'hc.sqlite')], as);
  const rows = collect(csv.stdout);
  expect(await once(csv, 'close')).toEqual([0, null]);
  expect(rows().split('\n')).toHaveLength(5);
  expect(readdirSync(runs).sort()).toEqual(['broken.sqlite', 'hc.sqlite']);
});
