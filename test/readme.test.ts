/** The code of every README runs as written. Blocks for a backend that may be missing are run by its own tests, Python by e2e/pytorch. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporaryFolder, writeProgram } from './support/folders.ts';
import { readmeBlocks } from './support/readme.ts';
import { recorded } from './support/recorded.ts';

const blocks = readmeBlocks('js').filter((code) => !/tfjs-backend-webgpu|tfjs-node/.test(code));
const blockOf = (name: string) => blocks.find((code) => code.includes(`run: '${name}'`))!;

/** Runs a program in a folder of its own. @returns what it printed for its user, and the folder of its recordings */
async function runBlock(name: string, code: string): Promise<{ stderr: string; runs: string }> {
  const cwd = temporaryFolder();
  const env = { ...process.env, GAINWATCH_PORT: '0' };
  const { stderr } = await promisify(execFile)(process.execPath, [writeProgram(name, code)], { cwd, env });
  return { stderr, runs: `${cwd}/gainwatch-runs` };
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
])('%s is recorded', async (name, count, connections) => {
  const { stderr, runs } = await runBlock(`${name}-recorded`, blockOf(name));
  expect(stderr).toMatch(new RegExp(`gainwatch: run ${name}: dashboard http://127.0.0.1:\\d+/`));
  const { steps, detail } = recorded(runs, name);
  expect(steps).toHaveLength(count);
  expect(detail).toMatchObject({ outcome: 'completed', connectionCount: connections, streams: 4 });
  expect(steps.at(-1)!.report.loss).toBeLessThan(steps[0].report.loss as number);
  expect(steps.at(-1)!.report.learningRate).toBeGreaterThan(0);
});

test('a loop that forgets close() leaves a recording that has ended', async () => {
  const { runs } = await runBlock('forgets', blockOf('my-loop').replace(/^await monitor\.close.*$/m, ''));
  expect(recorded(runs, 'my-loop').detail).toMatchObject({ outcome: 'completed', lastStep: 20 });
});
