/** plugin/server/README.md says what the code does: each figure of its limits, and what each token gives. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { RIGHTS, rightsOfToken } from '../../plugin/server/rights.ts';
import { TOKEN_FLAGS, TOKEN_NAMES } from '../../plugin/token.ts';

const read = (path: string) => readFileSync(new URL(`../../plugin/${path}`, import.meta.url), 'utf8');
const README = read('server/README.md');
const rows = (pattern: RegExp) => [...README.matchAll(pattern)].map((match) => match.slice(1));

const UNITS: Record<string, number> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** "3.75 MiB", "20 s", "64": in bytes, milliseconds, or as it is. */
function amountOf(figure: string): number {
  const [, digits, unit] = /^([\d.]+)(?: (\w+))?$/.exec(figure) ?? [];
  return Number(digits) * (unit === undefined ? 1 : UNITS[unit]);
}

/** What `60 * 64 * 2 ** 10` or `8 << 20` comes to. */
function product(expression: string): number {
  const numbers = (text: string, sign: string) => text.split(sign).map((part) => Number(part.replaceAll('_', '')));
  return expression
    .split(/(?<!\*)\*(?!\*)/)
    .map((factor) => {
      if (factor.includes('**')) return numbers(factor, '**').reduce((a, b) => a ** b);
      return numbers(factor, '<<').reduce((a, b) => a * 2 ** b);
    })
    .reduce((a, b) => a * b, 1);
}

/** Of NAME or NAME.field in a file; NaN: there is none. */
function constantIn(file: string, name: string): number {
  const [constant, field] = name.split('.');
  const assigned = new RegExp(`\\b${constant}\\b(?:: [\\w<>, ]+)? = ([^;]+);`).exec(read(file))?.[1] ?? '';
  const expression = field === undefined ? assigned : (new RegExp(`\\b${field}: ([^,}]+)`).exec(assigned)?.[1] ?? '');
  return expression === '' ? Number.NaN : product(expression) * (name.endsWith('_SECONDS') ? 1000 : 1);
}

const LIMITS = rows(/^\| .* \| ([\d.]+(?: \w+)?) \| `([\w/]+\.ts)` `([\w.]+)` \|$/gm);

test('there are limits, each row of the table among them', () => {
  expect(LIMITS.length).toBeGreaterThan(20);
  expect(LIMITS).toHaveLength(rows(/^\| .* \| (\d[^|]*) \| [^|]* \|$/gm).length);
});

test.each(LIMITS)('%s is %s %s', (figure, file, name) => {
  expect(constantIn(file, name)).toBe(amountOf(figure));
});

test('what each token gives', () => {
  const table = rows(/^\| `--([\w-]+)` \| (yes)? ?\| (yes)? ?\| (yes)? ?\|$/gm);
  const said = table.map(([flag, ...cells]) => [flag, RIGHTS.filter((_, i) => cells[i] === 'yes')]);
  const none = { token: null, viewToken: null, sendToken: null, decideToken: null };
  expect(said).toEqual(TOKEN_NAMES.map((name) => [TOKEN_FLAGS[name], rightsOfToken({ ...none, [name]: 'some-token' }, 'some-token')]));
});
