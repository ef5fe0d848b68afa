/** The code of every README runs as written. Blocks for a backend that may be missing are run by its own tests, Python by e2e/pytorch. */
import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { closeReader, openReader, readSteps } from '../plugin/recorder/read.ts';
import { readDetail } from '../plugin/recorder/recordedRun.ts';
import { temporaryFolder } from './support/folders.ts';
import { readmeBlocks } from './support/readme.ts';

const run = promisify(execFile);
const SCRATCH = fileURLToPath(new URL('./artefacts/', import.meta.url)); // inside the package: it finds itself by name
const blocks = readmeBlocks('js').filter((code) => !/tfjs-backend-webgpu|tfjs-node/.test(code));
const blockOf = (name: string) => blocks.find((code) => code.includes(`run: '${name}'`))!;

/** @returns the folder that it ran in, and what it printed for its user */
async function runBlock(name: string, code: string): Promise<{ cwd: string; stderr: string }> {
  mkdirSync(SCRATCH, { recursive: true });
  const file = join(SCRATCH, `${name}.mjs`);
  writeFileSync(file, code);
  onTestFinished(() => rmSync(file));
  const cwd = temporaryFolder();
  const { stderr } = await run(process.execPath, [file], { cwd, env: { ...process.env, GAINWATCH_PORT: '0' } });
  return { cwd, stderr };
}

function recorded(cwd: string, name: string) {
  const reader = openReader(join(cwd, 'gainwatch-runs', `${name}.sqlite`));
  onTestFinished(() => closeReader(reader));
  return { steps: [...readSteps(reader)].map(({ report }) => report), detail: readDetail(reader) };
}

test.each(
  blocks
    .filter((code) => code !== blockOf('my-loop') && code !== blockOf('my-fit'))
    .map((code) => [/run: '(.*?)'/.exec(code)?.[1] ?? /\bfrom 'gainwatch\/(\w+)'/.exec(code)![1], code]),
)('%s runs', async (name, code) => {
  await runBlock(name, code);
});

test.each([
  ['my-loop', 20, 4],
  ['my-fit', 16, 3],
])('%s is recorded', async (name, steps, connections) => {
  const { cwd, stderr } = await runBlock(`${name}-recorded`, blockOf(name));
  expect(stderr).toMatch(new RegExp(`gainwatch: run ${name}: dashboard http://127.0.0.1:\\d+/`));
  const { steps: reports, detail } = recorded(cwd, name);
  expect(reports).toHaveLength(steps);
  expect(detail).toMatchObject({ outcome: 'completed', connectionCount: connections, streams: 4 });
  expect(reports.at(-1)!.loss).toBeLessThan(reports[0].loss as number);
  expect(reports.at(-1)!.learningRate).toBeGreaterThan(0);
});

test('a loop that forgets close() leaves a recording that has ended', async () => {
  const { cwd } = await runBlock('forgets', blockOf('my-loop').replace(/^await monitor\.close.*$/m, ''));
  expect(recorded(cwd, 'my-loop').detail).toMatchObject({ outcome: 'completed', lastStep: 20 });
});
