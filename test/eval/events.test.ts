/** What counts as an event, per kind of run. */
import { describe, expect, it } from 'vitest';
import type { ConnectionName } from '../../src/model/transformer.ts';
import { headerOf } from '../support/reports.ts';
import { specOf } from '../support/specs.ts';
import { EVENTS, eventOf, firstLasting } from './events.ts';
import type { Series } from './series.ts';

describe('the first lasting step', () => {
  /** 'x': holds. */
  const first = (letters: string) => firstLasting(letters.length, (i) => letters[i] === 'x');

  it('is the first of five', () => {
    expect(first('xxxxx')).toBe(1);
    expect(first('..xxxxxxx.')).toBe(3);
    expect(first('..xxxx....')).toBeNull();
  });

  it('begins anew after an interruption', () => {
    expect(first('.xxxx.xxxxx')).toBe(7);
    expect(first('xxxx.xxxx.xxxx')).toBeNull();
  });

  it('may end with the run, which must not cut it short', () => {
    expect(first('...xxxxx')).toBe(4);
    expect(first('....xxxx')).toBeNull();
    expect(first('')).toBeNull();
  });

  it('lasts as long as it is told', () => {
    expect(firstLasting(3, (i) => i === 1, 1)).toBe(2);
  });
});

describe('an event', () => {
  type Given = Partial<Record<'gain' | 'loss' | 'separation', number[]>>;

  /** Ten healthy steps; a given list replaces the first ones. */
  function series(connection: ConnectionName, given: Given): Series {
    const list = (values: number[] | undefined, rest: number) => Float64Array.from({ length: 10 }, (_, i) => values?.[i] ?? rest);
    return {
      spec: specOf({ connection }),
      header: headerOf(connection.startsWith('hc') ? 'hc' : 'mhc'),
      steps: 10,
      gain: list(given.gain, 1),
      loss: list(given.loss, 3),
      separation: list(given.separation, 0.7),
    } as Series;
  }
  /** Two steps of 1, five of `value`, then what is healthy. */
  const five = (value: number) => [1, 1, value, value, value, value, value];

  it('of HC is a gain of 1000, or of 100, for five steps', () => {
    for (const connection of ['hc', 'hc-static'] as const) {
      expect(eventOf(series(connection, { gain: five(1000) }), 'gain 1000')).toBe(3);
      expect(eventOf(series(connection, { gain: five(999.9) }), 'gain 1000')).toBeNull();
      expect(eventOf(series(connection, { gain: five(1000).slice(1, -1) }), 'gain 1000')).toBeNull();
      expect(eventOf(series(connection, { gain: five(100) }), 'gain 100')).toBe(3);
      expect(eventOf(series(connection, { gain: five(99.9) }), 'gain 100')).toBeNull();
      expect(eventOf(series(connection, { gain: five(Number.POSITIVE_INFINITY) }), 'gain 1000')).toBe(3);
    }
  });

  it('of any run is the first loss that is not finite', () => {
    for (const connection of ['residual', 'hc', 'mhc'] as const) {
      expect(eventOf(series(connection, { loss: [3, 3, Number.NaN] }), 'loss not finite')).toBe(3);
      expect(eventOf(series(connection, { loss: [3, Number.POSITIVE_INFINITY] }), 'loss not finite')).toBe(2);
      expect(eventOf(series(connection, {}), 'loss not finite')).toBeNull();
    }
  });

  it('of mHC is a gain of half the streams, or streams that are one', () => {
    for (const connection of ['mhc', 'mhc-deepseek'] as const) {
      expect(eventOf(series(connection, { gain: five(2) }), 'mHC gain n/2')).toBe(3);
      expect(eventOf(series(connection, { gain: five(1.99) }), 'mHC gain n/2')).toBeNull();
      expect(eventOf(series(connection, { separation: five(0.049) }), 'mHC separation 0.05')).toBe(3);
      expect(eventOf(series(connection, { separation: five(0.05) }), 'mHC separation 0.05')).toBeNull();
      expect(eventOf(series(connection, { separation: five(0.049).slice(1, -1) }), 'mHC separation 0.05')).toBeNull();
    }
  });

  it('of another kind of run is none', () => {
    const wild = { gain: five(1e6), separation: five(0) };
    const found = (connection: ConnectionName) => EVENTS.filter((event) => eventOf(series(connection, wild), event) !== null);
    expect(found('hc')).toEqual(['gain 1000', 'gain 100']);
    expect(found('mhc')).toEqual(['mHC gain n/2', 'mHC separation 0.05']);
    expect(found('residual')).toEqual([]);
  });
});
