/** Spoils a body as a broken sender, a broken line or an attacker would: bytes flipped, cut, doubled, lengths and header changed. */

const WORDS = [
  'null',
  '[]',
  '{}',
  '-1',
  '1e999',
  '""',
  '"NaN"',
  '18446744073709551615',
  '[[[[]]]]',
  'true',
  '"__proto__"',
  '"constructor"',
  '"\\ud800"',
  '{"a":1,"a":2}',
  '['.repeat(64),
  '\u0000',
];

/** @param random whole numbers from 0 below its argument */
export function mutate(body: Buffer, random: (below: number) => number): Buffer {
  let spoilt: Buffer = Buffer.from(body);
  for (let times = 1 + random(3); times > 0; times--) spoilt = KINDS[random(KINDS.length)](spoilt, random);
  return spoilt;
}

type Mutation = (body: Buffer, random: (below: number) => number) => Buffer;

const flip: Mutation = (body, random) => {
  if (body.length > 0) body[random(body.length)] ^= 1 << random(8);
  return body;
};
const cut: Mutation = (body, random) => body.subarray(0, random(body.length + 1));
const drop: Mutation = (body, random) => {
  const from = random(body.length + 1);
  return Buffer.concat([body.subarray(0, from), body.subarray(from + random(64))]);
};
const double: Mutation = (body, random) => {
  const from = random(body.length + 1);
  return Buffer.concat([body.subarray(0, from), body.subarray(random(body.length + 1), from), body.subarray(from)]);
};
const lengthOf: Mutation = (body, random) => {
  if (body.length >= 8) body.writeBigUInt64LE(BigInt(random(2 ** 31)) << BigInt(random(33)), 0);
  return body;
};
/** A value in the JSON header becomes another; the length is made right again, so that it is read. */
const value: Mutation = (body, random) => {
  if (body.length < 8) return body;
  const length = Number(body.readBigUInt64LE(0));
  if (length > body.length - 8) return body;
  const text = body.toString('latin1', 8, 8 + length);
  const places = [...text.matchAll(/-?\d+|"(?:[^"\\]|\\.)*"|\[[^\]]*\]/g)];
  if (places.length === 0) return body;
  const { index, 0: old } = places[random(places.length)];
  const header = Buffer.from(text.slice(0, index) + WORDS[random(WORDS.length)] + text.slice(index + old.length), 'latin1');
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([head, header, body.subarray(8 + length)]);
};

const KINDS: readonly Mutation[] = [flip, cut, drop, double, lengthOf, value, value, value];
