/** What the READMEs say, where it can be tried: their programs run as written, their table of metrics is complete. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createMetrics } from '../plugin/metrics/metrics.ts';
import { MEASURES } from '../src/telemetry/catalogue.ts';
import { temporaryFolder } from './support/folders.ts';
import { readmeBlocks, readmes } from './support/readme.ts';
import { writeProgram } from './support/scratch.ts';
import { recorded } from './support/watched.ts';

/** Runs a program in a folder of its own. */
async function run(name: string, code: string): Promise<{ stderr: string; runs: string }> {
  const cwd = temporaryFolder();
  const env = { ...process.env, GAINWATCH_PORT: '0' };
  const { stderr } = await promisify(execFile)(process.execPath, [writeProgram(name, code)], { cwd, env });
  return { stderr, runs: `${cwd}/gainwatch-runs` };
}

const programOf = (name: string): string => readmeBlocks('js').find((code) => code.includes(`run: '${name}'`))!;

test.each([
  ['my-loop', 20, 4],
  ['my-fit', 16, 3],
])('the program %s of the READMEs runs as written', async (name, count, connections) => {
  const { stderr, runs } = await run(name, programOf(name));
  expect(stderr).toMatch(new RegExp(`gainwatch: run ${name}: dashboard http://127.0.0.1:\\d+/`));
  const { steps, detail } = recorded(runs, name);
  expect(steps).toHaveLength(count);
  expect(detail).toMatchObject({ outcome: 'completed', connectionCount: connections, streams: 4 });
  expect(steps.at(-1)!.report.loss).toBeLessThan(steps[0].report.loss as number);
  expect(steps.at(-1)!.report.learningRate).toBeGreaterThan(0);
});

test('a loop that forgets close() leaves a recording that has ended', async () => {
  const { runs } = await run('forgets', programOf('my-loop').replace(/^await monitor\.close.*$/m, ''));
  expect(recorded(runs, 'my-loop').detail).toMatchObject({ outcome: 'completed', lastStep: 20 });
});

test('the table of metrics names every one that is exported, and no other', async () => {
  const text = readmes();
  const [table] = text.slice(text.indexOf('| metric |')).split('\n\n');
  const named = new Set<string>();
  for (const [, name] of table.matchAll(/`(mhc_[a-z_{},]+)`/g)) {
    const alternatives = /\{(.*?)\}/.exec(name)?.[1].split(',') ?? [''];
    for (const each of alternatives) named.add(name.replace(/\{.*?\}/, each));
  }
  const { body } = await createMetrics('0').scrape(undefined);
  const exported = [...body.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
  expect([...named].sort()).toEqual(exported.sort());
  expect(exported).toEqual(expect.arrayContaining(MEASURES.map((m) => m.metric)));
});
