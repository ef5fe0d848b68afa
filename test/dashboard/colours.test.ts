/** Colours of the runs. */
import { expect, it, vi } from 'vitest';

it('the colour of a run stays whatever is shown beside it, and the first twelve differ', async () => {
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: () => {} }));
  const { colourOfRun } = await import('../../dashboard/state/theme.ts');
  const hc = colourOfRun('hc', ['hc']);
  const mhc = colourOfRun('mhc', ['hc', 'mhc']);
  expect(colourOfRun('a', ['hc', 'a', 'mhc'])).not.toBe(hc);
  expect([colourOfRun('hc', ['a', 'hc']), colourOfRun('mhc', ['a', 'mhc'])]).toEqual([hc, mhc]);
  const more = Array.from({ length: 9 }, (_, i) => `run${i}`);
  expect(new Set(['hc', 'mhc', 'a', ...more].map((run) => colourOfRun(run, [run]))).size).toBe(12);
  vi.unstubAllGlobals();
});
