/** The figures of the READMEs that the demo prints: it is run as it is without flags, but for its end. It is seeded, and its text is shipped. */
import { expect, test } from 'vitest';
import type { RunResult } from '../../plugin/cli/results.ts';
import { runDemo } from '../support/commandLine.ts';
import { readmes } from '../support/readme.ts';

/** What the READMEs say, as they say it (white space apart), and what the demo gives. Each stands at least once; a place that is worded anew is worded anew here. */
const FIGURES: [string, RegExp, (hc: RunResult, mhc: RunResult) => string | number | null | undefined][] = [
  ['the first warning of hc', /> (The composite gain of run hc is .*? grows most\.)/g, (hc) => hc.firstWarning?.message],
  ['its step', /The demo at step (\d+)/g, (hc) => hc.firstWarning?.step],
  ['the step at which hc reached 100', /reached 100 at step (\d+)/g, (hc) => hc['passed100']],
  ['the step of the first warning of mhc', /mHC is warned of too, at step (\d+)/g, (_, mhc) => mhc.firstWarning?.step],
];

test('the READMEs say what the demo prints', async () => {
  const { results } = await runDemo([]);
  const [hc, mhc, residual] = results;
  const text = readmes().replaceAll(/\s+(> )?/g, (_, quote: string | undefined) => ` ${quote ?? ''}`);
  const said = FIGURES.map(([what, pattern]) => [what, ...new Set([...text.matchAll(pattern)].map(([, figure]) => figure))]);
  expect(said).toEqual(FIGURES.map(([what, , figure]) => [what, String(figure(hc, mhc))]));
  // What they say without a figure: HC passes 100 after its first warning, mHC's gain stays 1 and below 2, residual's 1.
  expect(hc['passed100']).toBeGreaterThan(hc.firstWarning!.step);
  expect(hc.firstWarning!.rule).toBe('gain-forecast');
  expect(Math.abs(mhc.maxCompositeForwardGain - 1)).toBeLessThan(1e-5);
  expect(mhc.maxCompositeBackwardGain).toBeLessThan(2);
  expect(residual).toMatchObject({ maxCompositeForwardGain: 1, maxCompositeBackwardGain: 1, firstWarning: null });
  for (const { samplesDropped, errors } of results) expect([samplesDropped, errors]).toEqual([0, 0]);
}, 400_000);
