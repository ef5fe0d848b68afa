/** Connections that become more while an attempt goes on, and steps that lack some of them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { analyse } from '../../src/telemetry/analyse.ts';
import { MEASURE_INDEX, MEASURES } from '../../src/telemetry/catalogue.ts';
import { type Listing, mergeHeader, mergeListing } from '../../src/telemetry/listing.ts';
import type { ConnectionInfo } from '../../src/telemetry/sample.ts';
import { placesIn, widenReport } from '../../src/telemetry/widen.ts';
import { expectedOf, ranOf, subsets } from '../support/growing.ts';
import { testHeader, testReport } from '../support/samples.ts';

const listingOf = (names: readonly string[]): Listing => names.map((name) => ({ name, kind: 'hc', convention: null }) as const);
const namesOf = (listing: Listing) => listing.map(({ name }) => name);
const merged = (known: string, sent: string) => namesOf(mergeListing(listingOf([...known]), listingOf([...sent]))).join('');

describe('a listing', () => {
  test.each([
    ['ac', 'abc', 'abc'],
    ['ac', 'ab', 'abc'],
    ['ac', 'bc', 'abc'],
    ['abc', 'b', 'abc'],
    ['ab', 'xayb', 'xayb'],
    ['ab', 'xyz', 'abxyz'],
    ['', 'ab', 'ab'],
    ['ab', '', 'ab'],
    ['ab', 'axyz', 'axyzb'],
    ['ab', 'ba', 'ab'],
  ])('%s and a step of %s is %s', (known, sent, all) => expect(merged(known, sent)).toBe(all));

  test('law: nothing goes or changes its place, nothing new is left out, and the same again changes nothing', () => {
    fc.assert(
      fc.property(subsets(1, 8), (steps) => {
        let known: Listing = [];
        for (const names of steps) {
          const sent = listingOf(names);
          const next = mergeListing(known, sent);
          const old = new Set(namesOf(known));
          expect(namesOf(next).filter((name) => old.has(name))).toEqual(namesOf(known));
          expect(new Set(namesOf(next))).toEqual(new Set([...old, ...names]));
          expect(next).toHaveLength(new Set([...old, ...names]).size);
          expect(mergeListing(next, sent)).toBe(next);
          known = next;
        }
      }),
    );
  });

  test('of a connection that is known the newest kind and bound count', () => {
    const own: ConnectionInfo = { name: 'a', kind: 'own', convention: null };
    const exact: ConnectionInfo = { ...own, bounded: 'doubly' };
    expect(mergeListing([own], [exact])).toEqual([exact]);
    expect(mergeListing([exact], [own])).toEqual([own]);
    // Not given is what the kind promises.
    const mhc: ConnectionInfo = { name: 'a', kind: 'mhc', convention: null };
    const known = [mhc];
    expect(mergeListing(known, [{ ...mhc, bounded: 'doubly' }])).toBe(known);
  });

  test('n is that of the connections', () => {
    const baseline = { ...testHeader('x', 0), streams: 1 };
    const wide = { ...testHeader('x', 2), streams: 4 };
    expect(mergeHeader(baseline, wide)).toMatchObject({ streams: 4, connections: wide.connections });
    expect(mergeHeader(wide, baseline)).toBe(wide);
  });
});

describe('a step without some connections', () => {
  test('law: it is what it would be with the identity in their place', () => {
    fc.assert(
      fc.property(subsets(2, 2), fc.constantFrom(1, 2, 3), ([some, others], n) => {
        const names = namesOf(mergeListing(listingOf(some), listingOf(others)));
        const ran = ranOf('x', 1, some, n);
        const own = analyse(ran.header, ran.sample);
        const whole = ranOf('x', 1, names, n);
        const size = 3 * n * n;
        names.forEach((name, l) => {
          const at = some.indexOf(name);
          const mapping = whole.sample.mappings.subarray(l * size, (l + 1) * size);
          if (at >= 0) mapping.set(ran.sample.mappings.subarray(at * size, (at + 1) * size));
          else mapping.set(mapping.map((_, k) => ((k % (n * n)) % (n + 1) === 0 ? 1 : 0)));
        });
        const grams = { grams: null, inputSquares: null };
        const expected = analyse(whole.header, { ...whole.sample, ...grams });
        const got = widenReport(own, ran.header.connections, whole.header.connections, n);
        for (const { key } of MEASURES) {
          if (['activationGain', 'effectiveRank', 'streamNormRatio'].includes(key)) continue;
          const row = (values: Float32Array) => [
            ...values.subarray(MEASURE_INDEX[key] * names.length, (MEASURE_INDEX[key] + 1) * names.length),
          ];
          expect(row(got.measures), key).toEqual(
            row(expected.measures).map((value) => (Number.isNaN(value) ? value : expect.closeTo(value, 5))),
          );
        }
        expect(got.mapping).toEqual(expected.mapping);
        expect(got.nonfinite).toEqual(expected.nonfinite);
        // G is of what ran, also where the identity before it would be more.
        expect(got.compositeGain).toBeCloseTo(expectedOf(ran).compositeGain, 10);
        expect(Math.max(got.compositeGain ?? 0, 1)).toBeCloseTo(Math.max(expected.compositeGain ?? 0, 1), 10);
      }),
      { numRuns: 60 },
    );
  });

  test('what was not measured stays unknown: norms and memory, and all that a sender of measures never says', () => {
    const header = testHeader('x', 3);
    const report = testReport(header, 1);
    const more = [
      ...header.connections.slice(0, 1),
      { name: 'new', kind: 'hc', convention: null } as const,
      ...header.connections.slice(1),
    ];
    const wide = widenReport(report, header.connections, more, 2);
    const at = (key: keyof typeof MEASURE_INDEX, l: number, of = wide) => of.measures[MEASURE_INDEX[key] * 4 + l];
    expect([at('forwardGain', 1), at('rowDeviation', 1), at('separation', 1)]).toEqual([1, 0, at('separation', 0)]);
    expect([at('activationGain', 1), at('effectiveRank', 1)]).toEqual([Number.NaN, Number.NaN]);
    expect([...wide.mapping.subarray(4, 8)]).toEqual([1, 0, 0, 1]);
    expect(wide.memory?.connections[1]).toBeNaN();
    expect(wide.memory?.connections[2]).toBe(report.memory?.connections[1]);
    expect(widenReport(report, header.connections, [...header.connections], 2)).toBe(report);
    const measures = report.measures.map(() => Number.NaN);
    measures[MEASURE_INDEX.compositeForwardGain * 3] = 1.5;
    const few = widenReport({ ...report, measures, mapping: report.mapping.map(() => Number.NaN) }, header.connections, more, 2);
    expect([at('compositeForwardGain', 1, few), at('forwardGain', 1, few), few.mapping[4]]).toEqual([1.5, Number.NaN, Number.NaN]);
  });

  test('places are by name', () => {
    expect(placesIn(listingOf(['a', 'b']), listingOf(['b', 'x', 'a']))).toEqual(Int32Array.of(1, -1, 0));
    expect(placesIn(listingOf(['a', 'b']), listingOf(['a', 'b']))).toBeNull();
  });
});
