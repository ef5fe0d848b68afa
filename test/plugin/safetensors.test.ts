/** The reader and the writer of safetensors, against the rules of the format's own reader. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FieldError } from '../../plugin/fieldError.ts';
import { readSafetensors, writeSafetensors } from '../../plugin/wire/safetensors.ts';
import { mutate } from '../bench/mutate.ts';

const rising = (length: number) => Buffer.from(Array.from({ length }, (_, i) => i));

/** A body with this header over so many bytes of data, each its own offset. */
function bodyWith(header: unknown, data: number | Buffer): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, typeof data === 'number' ? rising(data) : data]);
}
const entry = (from: number, to: number, shape = [(to - from) / 4]) => ({ dtype: 'F32', shape, data_offsets: [from, to] });

const shapes = fc.array(fc.nat(5), { maxLength: 3 });
const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 4);
const names = fc
  .oneof(fc.string({ minLength: 1, unit: 'grapheme' }), fc.constantFrom('__proto__', 'constructor', 'toString'))
  .filter((name) => name !== '__metadata__' && !/^\d+$/.test(name));

test('law: what is written is read again, to the bit', () => {
  const tensor = shapes.chain((shape) => {
    const size = sizeOf(shape) / 4;
    return fc.float32Array({ minLength: size, maxLength: size }).map((values) => ({ shape, values }));
  });
  const tensors = fc.uniqueArray(fc.tuple(names, tensor), { selector: ([name]) => name, maxLength: 6 });
  fc.assert(
    fc.property(fc.dictionary(names, fc.string()), tensors, (metadata, list) => {
      const read = readSafetensors(writeSafetensors({ metadata, tensors: new Map(list) }));
      expect(Object.entries(read.metadata)).toEqual(Object.entries(metadata));
      expect([...read.tensors]).toEqual(list);
    }),
  );
});

describe('a header that another reader could read otherwise is refused:', () => {
  const a = JSON.stringify(entry(0, 8));
  const b = JSON.stringify(entry(8, 16));
  const withText = (text: string, data: number) => {
    const header = Buffer.from(text);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    return Buffer.concat([length, header, rising(data)]);
  };
  test.each([
    ['two tensors of one name', `{"a":${a},"a":${b}}`, 'must have each name once'],
    ['two of one name, written differently', `{"a":${a},"\\u0061":${b}}`, 'must have each name once'],
    ['__metadata__ twice', `{"__metadata__":{},"__metadata__":{},"a":${a},"b":${b}}`, 'must have each name once'],
    ['a key of __metadata__ twice', `{"__metadata__":{"step":"1","step":"2"},"a":${a},"b":${b}}`, 'must have each name once'],
    ['dtype twice', `{"a":${a.replace('{', '{"dtype":"F16",')},"b":${b}}`, 'must have each name once'],
    ['a space before it', ` {"a":${a},"b":${b}}`, 'must begin with {'],
    ['a line before it', `\n{"a":${a},"b":${b}}`, 'must begin with {'],
    ['a list', `[${a},${b}]`, 'must begin with {'],
    ['half of a surrogate pair', `{"\\ud800":${a},"b":${b}}`, 'half of a surrogate pair'],
    ['lists in lists', `{"a":${'['.repeat(40)}`, 'must have at most 32 lists'],
  ])('%s', (_what, text, rule) => {
    expect(() => readSafetensors(withText(text, 16))).toThrow(rule);
  });
  test('spaces after it are padding', () => {
    expect(readSafetensors(withText(`{"a":${a},"b":${b}}     `, 16)).tensors.size).toBe(2);
  });
});

test.each([
  ['F16', [0x3c00, 0xc000, 0x3555, 0x7c00, 0x0001], [1, -2, 0.333251953125, Number.POSITIVE_INFINITY, 2 ** -24]],
  ['BF16', [0x3f80, 0xc000, 0x3eab, 0x7f80, 0x7fc0], [1, -2, 0.333984375, Number.POSITIVE_INFINITY, Number.NaN]],
])('%s is read', (dtype, bits, values) => {
  const body = bodyWith({ a: { dtype, shape: [5], data_offsets: [0, 10] } }, Buffer.from(Uint16Array.from(bits).buffer));
  expect([...readSafetensors(body).tensors.get('a')!.values]).toEqual(values);
});

describe('tensors follow one another and cover the data', () => {
  /** Tensors side by side in their order in the data; the header may have another. */
  const layouts = fc.array(shapes, { minLength: 1, maxLength: 5 }).map((list) => {
    let end = 0;
    return list.map((shape, i) => {
      const from = end;
      end += sizeOf(shape);
      return { name: `tensor ${i}`, shape, from, to: end };
    });
  });
  const headerOf = (layout: { name: string; shape: number[]; from: number; to: number }[]) =>
    Object.fromEntries(layout.map(({ name, shape, from, to }) => [name, entry(from, to, shape)]));

  test('law: in whatever order the header names them', () => {
    const shuffled = layouts.chain((layout) => fc.tuple(fc.constant(layout), fc.shuffledSubarray(layout, { minLength: layout.length })));
    fc.assert(
      fc.property(shuffled, ([layout, order]) => {
        const data = rising(layout.at(-1)!.to);
        const { tensors } = readSafetensors(bodyWith(headerOf(order), data));
        expect([...tensors.keys()]).toEqual(order.map(({ name }) => name));
        for (const { name, from, to } of layout) expect(Buffer.from(tensors.get(name)!.values.buffer)).toEqual(data.subarray(from, to));
      }),
    );
  });

  test('law: one that lies elsewhere, or bytes that none covers, are refused', () => {
    fc.assert(
      fc.property(layouts, fc.nat(), fc.integer({ min: 1, max: 64 }), fc.boolean(), (layout, which, shift, back) => {
        const end = layout.at(-1)!.to;
        expect(() => readSafetensors(bodyWith(headerOf(layout), end + shift))).toThrow(/body must end with its last tensor/);
        const { shape, from, to, name } = layout[which % layout.length];
        const by = back ? -Math.min(shift, from) : shift;
        fc.pre(by !== 0 && to > from);
        const moved = { ...headerOf(layout), [name]: entry(from + by, to + by, shape) };
        expect(() => readSafetensors(bodyWith(moved, end + shift))).toThrow(/data_offsets must begin at \d+, where the tensor before ends/);
      }),
    );
  });

  const beginsAt = (end: number) => `must begin at ${end}, where the tensor before ends: no byte twice, none left out`;
  test.each([
    ['overlap', { a: entry(0, 8), b: entry(4, 12) }, 12, 'b.data_offsets', beginsAt(8)],
    ['share their bytes', { a: entry(0, 8), b: entry(0, 8) }, 8, 'b.data_offsets', beginsAt(8)],
    ['leave a hole', { a: entry(0, 8), b: entry(12, 16) }, 16, 'b.data_offsets', beginsAt(8)],
    ['begin late', { a: entry(4, 8) }, 8, 'a.data_offsets', beginsAt(0)],
    ['end early', { a: entry(0, 8) }, 9, 'body', 'must end with its last tensor, after 8 bytes of data'],
    ['are none over some bytes', {}, 1, 'body', 'must end with its last tensor, after 0 bytes of data'],
    ['end after the data', { a: entry(0, 8) }, 7, 'a.data_offsets', 'must be two rising places within the 7 bytes'],
    ['do not fit their shape', { a: entry(0, 8, [3]) }, 8, 'a.data_offsets', 'must span 12 bytes, as dtype and shape say'],
  ])('those that %s', (_what, header, bytes, field, rule) => {
    expect(() => readSafetensors(bodyWith(header, bytes))).toThrow(expect.objectContaining({ field, rule, status: 400 }));
  });
});

test('law: of spoilt bytes it is said what is wrong with them, or they are read whole', () => {
  const body = bodyWith({ __metadata__: { step: '1' }, a: entry(0, 16), b: entry(16, 80, [4, 4]), '@c': entry(80, 80, [0, 3]) }, 80);
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat()), (numbers) => {
      const spoilt = mutate(body, (below) => numbers.next().value % below);
      try {
        const { tensors } = readSafetensors(spoilt);
        const read = [...tensors.values()].reduce((sum, { values }) => sum + values.length, 0);
        expect(4 * read).toBeGreaterThanOrEqual(spoilt.length - 8 - Number(spoilt.readBigUInt64LE(0)));
      } catch (error) {
        expect(error).toBeInstanceOf(FieldError);
      }
    }),
    { numRuns: 2000 },
  );
});
