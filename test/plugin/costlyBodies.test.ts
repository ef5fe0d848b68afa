/** What a body may cost is known before anything is built of it: the costly ones are refused with their rule, in bounded memory. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FieldError } from '../../plugin/fieldError.ts';
import { decodeSteps } from '../../plugin/wire/decode.ts';
import { encodeBatch } from '../../plugin/wire/encode.ts';
import { writeSafetensors } from '../../plugin/wire/safetensors.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import { COSTLY } from '../bench/costlyBodies.ts';
import { mutate } from '../bench/mutate.ts';
import { json, start } from '../support/service.ts';
import { send } from '../support/wire.ts';

const schemas = compileSchemas();
const refused = Object.entries(COSTLY).filter(([name]) => !name.startsWith('allowed') && name !== 'down');

test.each(refused)('%s: refused, and nothing of it stays', async (_name, make) => {
  const { type, body, status, rule } = make();
  const service = await start();
  const sent = await send(service, 'runs/a/steps', gzipSync(body), { 'Content-Type': type, 'Content-Encoding': 'gzip' });
  expect(sent).toMatchObject({ status, answer: { error: { rule: expect.stringContaining(rule!) } } });
  expect(await json(service, 'api/v1/runs')).toEqual([]);
  expect((await fetch(`${service.url}healthz`)).status).toBe(200);
});

const zeros = (shape: number[]) => ({ shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) });

/** A step of `layers` connections, of which the first names the tokens and the others have one matrix for all. */
function repeated(layers: number, tokens: number, n: number, step = 1): Buffer {
  const names = Array.from({ length: layers }, (_, l) => `c${l}`);
  const tensors = new Map(names.map((name, l) => [name, zeros(l === 0 ? [tokens, n, n] : [n, n])]));
  return writeSafetensors({ metadata: { version: '1', step: String(step), order: JSON.stringify(names) }, tensors });
}

describe('values of H_res, as if each token had its own', () => {
  const STEP = 'application/vnd.gainwatch.step';
  const MAX = 4 * 2 ** 20;

  test('law: above 4 Mi they are refused, whatever they are made of, before memory is taken for them', () => {
    const shapes = fc.record({
      layers: fc.integer({ min: 2, max: 4096 }),
      tokens: fc.integer({ min: 1, max: 4096 }),
      n: fc.integer({ min: 1, max: 8 }),
    });
    fc.assert(
      fc.property(shapes, ({ layers, tokens, n }) => {
        fc.pre(layers * tokens * n * n > MAX);
        const before = process.memoryUsage().arrayBuffers;
        const body = repeated(layers, tokens, n);
        expect(() => decodeSteps(schemas, STEP, body, 0)).toThrow(expect.objectContaining({ field: 'body', status: 413 }));
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
      }),
      { numRuns: 30 },
    );
  });

  test('of all steps of a batch together; as many as are allowed are taken', () => {
    const batch = (steps: number) => encodeBatch(Array.from({ length: steps }, (_, i) => repeated(16, 1024, 4, i + 1)));
    expect(decodeSteps(schemas, 'application/vnd.gainwatch.batch', batch(16), 0)).toHaveLength(16);
    expect(() => decodeSteps(schemas, 'application/vnd.gainwatch.batch', batch(17), 0)).toThrow(
      /must have at most 4194304 values of H_res/,
    );
  });
});

test('law: whatever a body is spoilt to, it is refused with a reason or read, and takes no more memory than it may', () => {
  const json = Buffer.from(
    JSON.stringify([{ step: 1, attempt: 'a', order: ['x', 'y'], tokens: [1], measures: { forwardGain: [1, 2] }, memory: { own: 1 } }]),
  );
  const kinds = [
    ['application/vnd.gainwatch.step', repeated(4, 64, 4)],
    ['application/vnd.gainwatch.batch', encodeBatch([repeated(4, 64, 4, 1), repeated(4, 64, 4, 2)])],
    ['application/json', json],
  ] as const;
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.infiniteStream(fc.nat()), ([type, body], numbers) => {
      const before = process.memoryUsage().arrayBuffers;
      try {
        expect(
          decodeSteps(
            schemas,
            type,
            mutate(body, (below) => numbers.next().value % below),
            0,
          ).length,
        ).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(FieldError);
      }
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(128 * 2 ** 20);
    }),
    { numRuns: 3000 },
  );
});

describe('connections of all steps', () => {
  const steps = (count: number, order: (i: number) => string[], more: object = {}) =>
    Buffer.from(JSON.stringify(Array.from({ length: count }, (_, i) => ({ step: i, order: order(i), ...more }))));
  const names = (count: number, of = 'c') => Array.from({ length: count }, (_, l) => `${of}${l}`);
  const decode = (body: Buffer) => decodeSteps(schemas, 'application/json', body, 0);

  test('at most 131072, counted before a step is checked', () => {
    expect(decode(steps(32, () => names(4096), { streams: 1 }))).toHaveLength(32);
    expect(() => decode(steps(33, () => names(4096), { colour: 1 }))).toThrow(/at most 131072 connections/);
  });

  test('one list where they are the same, each once where some are left out; at most 8192 that differ', () => {
    const parts = decode(steps(3, () => names(4)));
    expect(new Set(parts.map(({ connections }) => connections)).size).toBe(1);
    const kinds = decode(Buffer.from('[{"step":1,"order":["a"]},{"step":2,"order":["a"],"kinds":["mhc"]}]'));
    expect(kinds.map(({ connections }) => connections[0].kind)).toEqual(['hc', 'mhc']);
    expect(() => decode(steps(9, (i) => names(1024, `s${i}.`)))).toThrow(/at most 8192 connections that differ/);
    // Layers that are dropped: each step has others of the same.
    const dropped = decode(steps(512, (i) => names(122).filter((_, l) => (l * 7 + i) % 5 !== 0)));
    expect(new Set(dropped.flatMap(({ connections }) => connections)).size).toBe(122);
  });

  test('4096 names that begin alike are checked in no time that grows with their square', () => {
    const order = names(4096, 'x'.repeat(120));
    expect(() => decode(steps(30, () => [...order.slice(1), order[1]]))).toThrow(/order/);
  });
});
