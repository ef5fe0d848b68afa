/** The figures of the READMEs that the demo prints: it runs with its defaults, is seeded, and its text is shipped. */
import { expect, test } from 'vitest';
import { expectGoodDemo, runDemo } from '../support/commandLine.ts';
import { readmes } from '../support/readme.ts';
import { recorded } from '../support/recorded.ts';

/** The READMEs' own words (white space apart), with their figures. Each stands at least once; who words one anew does it here too. */
const SENTENCES = {
  firstWarning:
    /> The composite gain of run hc is ([\d.]+) and may reach (\d+) in about (\d+) steps \((\d+) or more\); ([\w.]+) grows most\./g,
  itsStep: /The demo at step (\d+)/g,
  passed100: /it reached 100 at step (\d+)/g,
  mhcWarning: /mHC is warned of too, at step (\d+)/g,
  mhcBackward: /turns at ([\d.]+)/g,
};

test('the READMEs have the figures that the demo prints', async () => {
  const { results, runs } = await runDemo([]);
  const [hc, mhc] = results;
  const { value, threshold, stepsLeft, interval, connection } = recorded(runs, 'hc').warnings[0].warning;
  const figures: Record<keyof typeof SENTENCES, unknown[]> = {
    firstWarning: [Number(value.toPrecision(3)), threshold, stepsLeft, interval![0], connection],
    itsStep: [hc.firstWarning!.step],
    passed100: [hc['passed100']],
    mhcWarning: [mhc.firstWarning!.step],
    mhcBackward: [mhc.maxCompositeBackwardGain.toPrecision(3)],
  };
  const text = readmes().replaceAll(/\s+/g, ' ');
  const written = Object.entries(SENTENCES).map(([name, sentence]) => [
    name,
    ...new Set([...text.matchAll(sentence)].map(([, ...found]) => found.join())),
  ]);
  expect(written).toEqual(Object.entries(figures).map(([name, found]) => [name, found.join()]));
  // What they say without a figure: HC passes 100 and 1000 after its first warning, mHC's forward gain is 1 and its backward gain below 2.
  expectGoodDemo(results, 240);
  expect(hc['passed100']).toBeGreaterThan(hc.firstWarning!.step);
  expect(hc['passed1000']).toBeGreaterThan(hc['passed100']!);
}, 1_200_000); // 15 s on two free cores
