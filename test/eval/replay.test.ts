/** Which warnings speak of which event, who is named, and that the committed results are what the recordings give. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Warning } from '../../src/telemetry/warning.ts';
import { temporaryFolder } from '../support/folders.ts';
import { headerOf } from '../support/reports.ts';
import { type EventName, eventOf } from './events.ts';
import { BUDGETS, type GainwatchResult, LIMITS, runGainwatch } from './jobs.ts';
import { cells } from './markdown.ts';
import { alarmsFor, namesDisturbed, replay } from './replay.ts';
import { scoreOf } from './score.ts';
import { readSeries, type Series } from './series.ts';

const warning = (step: number, change: Partial<Warning>) => ({ step, suspects: [], ...change }) as unknown as Warning;

describe('the warnings that speak of an event', () => {
  const series = { header: headerOf('mhc') } as Series;
  const warnings = [
    warning(1, { rule: 'gain-forecast', threshold: 100, severity: 'warning' }),
    warning(2, { rule: 'gain-forecast', threshold: 1000, severity: 'warning' }),
    warning(3, { rule: 'gain-forecast', threshold: 1000, severity: 'critical' }),
    warning(4, { rule: 'gain-forecast', threshold: 2, severity: 'critical' }),
    warning(5, { rule: 'collapse', threshold: 0.05, severity: 'critical' }),
    warning(6, { rule: 'nonfinite', threshold: 0, severity: 'critical' }),
    warning(7, { rule: 'runaway-connection', threshold: 1.5, severity: 'warning' }),
  ];

  it.each<[EventName, number[], number[]]>([
    ['gain 1000', [2, 3], [3]],
    ['gain 100', [1], []],
    ['loss not finite', [3, 4, 5], [3, 4, 5]],
    ['mHC gain n/2', [4], [4]],
    ['mHC separation 0.05', [5], [5]],
  ])('%s: early %j, certain %j', (event, early, certain) => {
    expect(alarmsFor(event, series, warnings, false)).toEqual(early);
    expect(alarmsFor(event, series, warnings, true)).toEqual(certain);
  });
});

describe('the named connection', () => {
  const disturbed = { header: headerOf('hc'), spec: { disturbance: { kind: 'b_res', connection: 3, step: 100, size: 1 } } } as Series;
  const [right, wrong] = [['block0.mlp', 'block1.mlp'], ['block0.mlp']];

  it('is looked for in the first warning after the disturbance that names one', () => {
    expect(namesDisturbed(disturbed, [warning(50, { suspects: wrong }), warning(100, {}), warning(120, { suspects: right })])).toBe(true);
    expect(namesDisturbed(disturbed, [warning(100, { suspects: wrong }), warning(120, { suspects: right })])).toBe(false);
  });

  it('is unknown without a warning or a disturbance', () => {
    expect(namesDisturbed(disturbed, [warning(99, { suspects: right })])).toBeNull();
    expect(namesDisturbed({ header: headerOf('hc'), spec: {} } as Series, [warning(1, { suspects: right })])).toBeNull();
  });
});

describe('the recordings', () => {
  let all: Series[];
  let result: GainwatchResult;
  const results = readFileSync(fileURLToPath(new URL('RESULTS.md', import.meta.url)), 'utf8');
  beforeAll(() => {
    all = readSeries(fileURLToPath(new URL('recordings', import.meta.url)));
    result = runGainwatch(all, 1);
  }, 300_000);

  it.each(BUDGETS)('give the line of RESULTS.md for %d false alarms', (budget) => {
    const [setting, halves] = budget === 0.1 ? ['every warning', result.early] : ['critical only', result.certain];
    const { tuning, heldOut } = halves['gain 1000'];
    const line = `| ${cells({ name: 'gainwatch', setting, outcomes: heldOut, tuning }).join(' | ')} |`;
    const part = results.slice(results.indexOf(`### At most ${budget} false alarms`));
    expect(part.split('\n')).toContain(line);
  });

  it('give gainwatch no more false alarms on the tuning half than the baselines may have', () => {
    const [early, certain] = LIMITS['gain 1000'];
    expect(scoreOf(result.early['gain 1000'].tuning).falseAlarms).toBeLessThanOrEqual(early);
    expect(scoreOf(result.certain['gain 1000'].tuning).falseAlarms).toBeLessThanOrEqual(certain);
    expect(scoreOf(result.early['gain 100'].tuning).falseAlarms).toBeLessThanOrEqual(LIMITS['gain 100'][0]);
  });

  it('are missed by name where a folder has none', () => {
    const folder = temporaryFolder();
    expect(() => readSeries(folder)).toThrow(`${folder} holds no recordings`);
    expect(() => readSeries(`${folder}/nowhere`)).toThrow(`${folder}/nowhere`);
  });

  it('give the same warnings and forecasts every time, and no forecast before the first report', () => {
    const series = all.find((one) => eventOf(one, 'gain 1000') !== null)!;
    const asked = [0, 1, 50];
    const once = replay(series, 1, asked);
    expect(once.warnings.length).toBeGreaterThan(0);
    expect(once.forecasts.map((forecast) => forecast === null)).toEqual([true, true, false]);
    expect(replay(series, 1, asked)).toEqual(once);
  });
});
