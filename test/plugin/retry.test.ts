/** When a request is worth another try, as its answer says. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { retryAfterOf } from '../../plugin/retry.ts';

const asked = (text: string, date?: string, now = 0) =>
  retryAfterOf(new Headers({ 'Retry-After': text, ...(date === undefined ? {} : { Date: date }) }), now);
const http = (ms: number) => new Date(ms).toUTCString();

test('Retry-After: seconds and dates, at most five minutes, not before now', () => {
  expect(['0', '7', ' 12 ', '100000'].map((text) => asked(text))).toEqual([0, 7000, 12_000, 300_000]);
  expect(asked(http(60_000), undefined, 20_000)).toBe(40_000);
  expect(asked(http(60_000), http(50_000), 1e12)).toBe(10_000); // by the answer's own clock
  expect(asked(http(60_000), undefined, 1e12)).toBe(0);
  expect(retryAfterOf(new Headers(), 0)).toBeNull();
});

test('what is neither is none', () => {
  for (const text of ['', 'soon', '-3', '1.5', '1e3', 'NaN', 'Infinity', '9'.repeat(40), 'Fri, 99 Foo 2026'])
    expect(asked(text), text).toBeNull();
  fc.assert(
    fc.property(fc.stringMatching(/^[!-~]{0,40}$/), (text) => {
      const ms = asked(text);
      return ms === null || (ms >= 0 && ms <= 300_000);
    }),
  );
});
