/** A short seed of the torture, whole: `npm run torture` has the long ones. */
import { expect, test } from 'vitest';
import { planOf } from './plan.ts';
import { tortureSeed } from './seed.ts';
import { isFlawless, lineOf } from './summary.ts';

test('a seed is a plan', () => {
  expect(planOf(7, 5000, 100)).toEqual(planOf(7, 5000, 100));
  expect(planOf(7, 5000, 100)).not.toEqual(planOf(8, 5000, 100));
});

test('every acknowledged step is there once and right, whatever befell the server', async () => {
  const events: string[] = [];
  const result = await tortureSeed(planOf(2, 4000, 60), (ms, text) => events.push(`${ms} ms: ${text}`));
  expect(isFlawless(result), `${lineOf(result)}\n${JSON.stringify(result.findings.slice(0, 5))}\n${events.join('\n')}`).toBe(true);
  expect(result.acknowledged).toBeGreaterThan(50);
  if (result.skipped.size > 0)
    console.warn(`\nSKIPPED: of the torture, for lack of root, setpriv, sqlite3 or faketime: ${lineOf(result)}\n`);
});
