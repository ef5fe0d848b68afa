/** Numbers on the wire: nothing is lost that JSON lacks, and what is shortened is as near as it can be. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromWire, toShortWire, toWire } from '../../src/telemetry/wire.ts';

test('law: every number comes back through JSON, and what is not known as NaN', () => {
  fc.assert(
    fc.property(fc.double(), (value) => {
      expect(fromWire(JSON.parse(JSON.stringify(toWire(value))))).toBe(value === 0 ? 0 : value);
    }),
  );
  expect(fromWire(null)).toBeNaN();
});

describe('a short number', () => {
  test('law: has 6 significant digits, 8 near 1, and is as near as they can be', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true, min: 1e-300 }), fc.double({ min: -2, max: 2, noNaN: true })),
        (value) => {
          const short = toShortWire(value) as number;
          const digits = Math.abs(Math.abs(value) - 1) < 1e-3 ? 8 : 6;
          expect(Number(short.toPrecision(digits)) === short).toBe(true);
          expect(Math.abs(short - value)).toBeLessThanOrEqual(5.001 * 10 ** -digits * Math.abs(value));
        },
      ),
    );
  });

  test.each([
    [1.1722142696380615, 1.17221],
    [-0.000123456789, -0.000123457],
    [1.23456789e-20, 1.23457e-20],
    [123456789, 123457000],
    [1e300, 1e300],
    [5e-324, 5e-324],
    [0, 0],
    [Number.NaN, 'NaN'],
    [Number.NEGATIVE_INFINITY, '-Inf'],
  ])('%d is %d', (value, short) => {
    expect(toShortWire(value)).toBe(short);
  });

  test('near 1 tells every float32 apart', () => {
    for (const value of [1 + 2 ** -23, 1 + 2 ** -22, 1 - 2 ** -24, 1.0005, 0.9995].map(Math.fround)) {
      expect(Math.fround(toShortWire(value) as number)).toBe(value);
    }
  });
});
