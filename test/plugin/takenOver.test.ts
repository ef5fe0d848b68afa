/** A run that was silent and that another training has taken over: the first one is told of a free name, whatever its connections are. */
import { expect, test, vi } from 'vitest';
import { handleParts } from '../../plugin/ingest/handleParts.ts';
import { decodeMatrices } from '../../plugin/wire/decodeMatrices.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import { startIngest } from '../support/pipelines.ts';
import { testHeader, testSample } from '../support/samples.ts';
import { bodyOf } from '../support/wire.ts';

const schemas = compileSchemas();

test('the training before hears of a free name, not of the other one’s connections', async () => {
  let now = 5_000_000;
  const { ingest } = await startIngest({ now: () => now });
  const send = (run: string, layers: number, step: number, attempt: string, key: string) => {
    const header = testHeader(run, layers, 4, 4);
    const part = decodeMatrices(schemas, bodyOf(header, testSample(header, step), {}, attempt), now);
    return handleParts(ingest, run, [part], key);
  };
  send('train', 2, 1, 'a', 'key-of-the-first');
  vi.advanceTimersByTime(200);
  now += 61_000;
  send('train', 3, 1, 'b', 'key-of-the-second');
  expect(() => send('train', 2, 2, 'a', 'key-of-the-first')).toThrow(expect.objectContaining({ field: 'run', free: 'train-2' }));
  expect(send('train-2', 2, 2, 'a', 'key-of-the-first').accepted).toBe(1);
});
