/** JSON of others: what is unambiguous and of bounded cost is read as JSON.parse reads it, all else is refused before a value is built. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FieldError } from '../../plugin/fieldError.ts';
import { parseJson } from '../../plugin/wire/json.ts';

const parse = (text: string) => parseJson('body', Buffer.from(text));
const names = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', 'constructor', 'toString', '"', '\\', '{', '[', '😀'));
/** JSON.stringify would lose a key `__proto__`. */
const write = (value: unknown): string =>
  Array.isArray(value)
    ? `[${value.map(write).join(', ')}]`
    : value instanceof Map
      ? `{${[...value].map(([key, one]) => `${JSON.stringify(key)} : ${write(one)}`).join(' ,')}}`
      : JSON.stringify(value);
const { value: texts } = fc.letrec<{ value: unknown; list: unknown[]; object: Map<string, unknown> }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    names,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(null, true),
    tie('list'),
    tie('object'),
  ),
  list: fc.array(tie('value'), { maxLength: 5 }),
  object: fc
    .uniqueArray(fc.tuple(names, tie('value')), { selector: ([key]) => key, maxLength: 5 })
    .map((entries) => new Map(entries as [string, unknown][])),
}));
/** Some characters as the six of an escape. */
const escaped = (text: string, seed: number) =>
  text.replace(/[a-z😀]/gu, (letter, at: number) =>
    (at + seed) % 3 === 0
      ? Array.from({ length: letter.length }, (_, i) => `\\u${letter.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')
      : letter,
  );

describe('law:', () => {
  test('what is written once is what JSON.parse reads, however it is written', () => {
    fc.assert(
      fc.property(texts, (value) => {
        const text = write(value);
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test('a name twice in one object is refused, also where one of them is written in escapes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀', '_'), minLength: 1 }),
        texts,
        fc.nat(2),
        fc.nat(2),
        (name, value, first, second) => {
          const twice = `{"x": ${write(value)}, ${escaped(JSON.stringify(name), first)}: 1, "y": [{}], ${escaped(JSON.stringify(name), second)}: 2}`;
          expect(() => parse(twice)).toThrow(/must have each name once/);
        },
      ),
    );
  });

  test('half of a surrogate pair is refused wherever it is, a whole one is not', () => {
    const unit = fc.integer({ min: 0xd800, max: 0xdfff });
    fc.assert(
      fc.property(fc.array(unit, { minLength: 1, maxLength: 4 }), fc.boolean(), (units, asName) => {
        const text = String.fromCharCode(...units);
        const quoted = `"${units.map((one) => `\\u${one.toString(16)}`).join('')}"`;
        const read = () => parse(asName ? `{"a":1,${quoted}:2}` : `[0,${quoted}]`);
        if (/\p{Cs}/u.test(text)) expect(read).toThrow(/half of a surrogate pair/);
        else expect(read()).toEqual(asName ? { a: 1, [text]: 2 } : [0, text]);
      }),
    );
  });

  test('any bytes are read or refused with a reason', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map(Buffer.from),
      fc.string({ unit: fc.constantFrom(...'{}[],:"\\u0d8fnt1e9- ') }).map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(bytes, (body) => {
        try {
          expect(parseJson('body', body)).toEqual(JSON.parse(body.toString()));
        } catch (error) {
          expect(error).toBeInstanceOf(FieldError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

test.each([
  ['lists in lists', '['.repeat(33), 'at most 32 lists and objects in one another'],
  ['objects in objects', '{"a":'.repeat(33), 'at most 32 lists and objects in one another'],
  ['sixteen million of them', '['.repeat(2 ** 24), 'at most 32 lists and objects in one another'],
  ['very many small lists', `[${'[],'.repeat(70_000)}0]`, 'at most 65536 lists and objects'],
  ['very many names', `{${Array.from({ length: 8193 }, (_, i) => `"${i}":0`).join()}}`, 'at most 8192 names'],
  ['nothing', '', 'must be JSON'],
  ['a byte order mark', '\ufeff{}', 'must be JSON'],
  ['an open string that ends in an escape', '{"a\\', 'must be JSON'],
])('%s: refused', (_what, text, rule) => {
  expect(() => parse(text)).toThrow(rule);
});

test('brackets within texts are no lists; 32 in one another are not too many', () => {
  expect(parse(JSON.stringify(['['.repeat(100), '{"'.repeat(100)]))).toHaveLength(2);
  expect(parse('['.repeat(32) + ']'.repeat(32))).toHaveLength(1);
});

test.each([[[0x22, 0xff, 0x22]], [[0x22, 0xed, 0xa0, 0x80, 0x22]], [[0x22, 0xc3, 0x22]]])('%j is no UTF-8', (bytes) => {
  expect(() => parseJson('body', Buffer.from(bytes))).toThrow('must be UTF-8');
});
