import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { closeReader, openReader, readSteps } from '../plugin/recorder/read.ts';
import { readDetail } from '../plugin/recorder/recordedRun.ts';
import { temporaryFolder } from './support/folders.ts';
import { readmeBlocks } from './support/readme.ts';

const run = promisify(execFile);
const SCRATCH = fileURLToPath(new URL('./artefacts/', import.meta.url)); // inside the package: it finds itself by name

describe('the code of the README runs as written', () => {
  test.each([
    ['my-loop', 20, 4],
    ['my-fit', 16, 3],
  ])('%s', async (name, steps, connections) => {
    const block = readmeBlocks('js').find((code) => code.includes(`run: '${name}'`))!;
    mkdirSync(SCRATCH, { recursive: true });
    const file = join(SCRATCH, `${name}.mjs`);
    writeFileSync(file, block);
    onTestFinished(() => rmSync(file));
    const cwd = temporaryFolder();
    const { stderr } = await run(process.execPath, [file], { cwd, env: { ...process.env, GAINWATCH_PORT: '0' } });
    expect(stderr).toMatch(new RegExp(`gainwatch: run ${name}: dashboard http://127.0.0.1:\\d+/`));
    const reader = openReader(join(cwd, 'gainwatch-runs', `${name}.sqlite`));
    const recorded = [...readSteps(reader)];
    expect(recorded).toHaveLength(steps);
    expect(readDetail(reader)).toMatchObject({ outcome: 'completed', connectionCount: connections, streams: 4 });
    expect(recorded.at(-1)!.report.loss).toBeLessThan(recorded[0].report.loss as number);
    expect(recorded.at(-1)!.report.learningRate).toBeGreaterThan(0);
    closeReader(reader);
  });
});

test('a loop that forgets close() leaves a recording that has ended', async () => {
  const block = readmeBlocks('js').find((code) => code.includes("run: 'my-loop'"))!;
  mkdirSync(SCRATCH, { recursive: true });
  const file = join(SCRATCH, 'forgets.mjs');
  writeFileSync(file, block.replace(/^await monitor\.close.*$/m, ''));
  onTestFinished(() => rmSync(file));
  const cwd = temporaryFolder();
  await run(process.execPath, [file], { cwd, env: { ...process.env, GAINWATCH_PORT: '0' } });
  const reader = openReader(join(cwd, 'gainwatch-runs', 'my-loop.sqlite'));
  expect(readDetail(reader)).toMatchObject({ outcome: 'completed', lastStep: 20 });
  closeReader(reader);
});
