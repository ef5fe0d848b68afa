import { expect, test } from 'vitest';
import { csvRow } from '../../src/telemetry/csv.ts';

test('a row quotes what would be read as something else, and leaves empty what is not known', () => {
  expect(csvRow(['a', 1.5, 'NaN', null, undefined, -0])).toBe('a,1.5,NaN,,,0');
  expect(csvRow(['a,b', 'say "no"', 'two\nlines', 'return\r', ' '])).toBe('"a,b","say ""no""","two\nlines","return\r", ');
});
