/** The name that a refusal offers: cheap to find however many are taken, and the same for all ranks of a training. */
import { expect, test, vi } from 'vitest';
import { handleParts } from '../../plugin/ingest/handleParts.ts';
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import { decodeSteps } from '../../plugin/wire/decode.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import { startIngest } from '../support/pipelines.ts';
import { reportOf } from '../support/reports.ts';
import { testHeader } from '../support/samples.ts';

const schemas = compileSchemas();

test('where many names are taken, few recordings are opened, and the ranks of a training meet', async () => {
  const { ingest, pipeline, directory } = await startIngest();
  for (let i = 2; i <= 30; i++) {
    const header = { ...testHeader('x', 1), run: `train-${i}` };
    const recording = openRecording(directory, header, 1, { source: 'z', key: null, fresh: false });
    commitReports(recording, [reportOf(header, 1, {})]);
    closeRecording(recording, 'completed', 2);
  }
  const send = (run: string, attempt: string | undefined, rank: number, key: string | null) => {
    const body = JSON.stringify({ step: 1, attempt, rank, world_size: 2, order: ['a'], loss: 1 });
    return handleParts(ingest, run, decodeSteps(schemas, 'application/json', Buffer.from(body), 0), key);
  };
  const freeOf = (...given: Parameters<typeof send>): string => {
    try {
      send(...given);
    } catch (error) {
      return (error as { free: string }).free;
    }
    return '';
  };
  send('train', 'first', 0, 'a'.repeat(64));
  const opened = vi.spyOn(pipeline.recorder!, 'readSentRun');
  for (const [attempt, key] of [
    ['second', 'b'.repeat(64)],
    ['third', null],
  ] as const) {
    opened.mockClear();
    const free = freeOf('train', attempt, 0, key);
    expect(opened.mock.calls.length).toBeLessThan(10);
    send(free, attempt, 0, key);
    expect(freeOf('train', attempt, 1, key)).toBe(free);
    send(free, attempt, 1, key);
  }
  expect(freeOf('train', undefined, 0, null)).toMatch(/^train-/);
  expect(ingest.runs.size).toBe(3);
});
