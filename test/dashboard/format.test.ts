/** Numbers from the wire, and for people. */
import { expect, test } from 'vitest';
import { bytes, duration, fromWire, shown } from '../../dashboard/model/format.ts';
import { toWire } from '../../src/telemetry/wire.ts';

test('numbers from the wire, and for people', () => {
  for (const value of [1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) expect(fromWire(toWire(value))).toEqual(value);
  expect(fromWire(null)).toBeNaN();
  expect([
    shown(265.6234),
    shown(1.00000012),
    shown(12345678),
    shown(2.3e-8),
    shown(0),
    shown(Number.NaN),
    shown(Number.POSITIVE_INFINITY),
    shown(null),
  ]).toEqual(['265.6', '1', '1.23e+7', '2.30e-8', '0', 'NaN', '∞', '–']);
  expect([bytes(0), bytes(876), bytes(1246196), bytes(3 * 2 ** 40)]).toEqual(['0 B', '876 B', '1.19 MiB', '3 TiB']);
  expect([duration(14.4), duration(600), duration(7200)]).toEqual(['14 s', '10 min', '2 h']);
});
