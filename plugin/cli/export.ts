/** `gainwatch export`: a recording as CSV, one row per attempt, step and connection; one per step of a baseline. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { MEASURES, type RunScalar } from '../../src/telemetry/catalogue.ts';
import { csvRow } from '../../src/telemetry/csv.ts';
import { MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import { toWireOrNull } from '../../src/telemetry/wire.ts';
import { PRIVATE_FILE } from '../recorder/files.ts';
import { requireRecorder } from '../recorder/loadRecorder.ts';
import type { RecordedStep } from '../recorder/read.ts';

/** In the order of the columns, which stays. */
const SCALARS: readonly RunScalar[] = ['stepSeconds', 'loss', 'gradientNorm', 'learningRate', 'compositeGain'];

function csvHeader(): string {
  const measures = MEASURES.map((m) => m.key);
  const memory = MEMORY_KINDS.map((kind) => `${kind}_bytes`);
  return csvRow(['run', 'attempt', 'step', 'time', ...SCALARS, 'connection', 'kind', ...measures, 'nonfinite', ...memory]);
}

/** One row per connection; a number that is not known is an empty cell, NaN and ±Inf are NaN, +Inf, -Inf. */
function* csvRows({ attempt, header, report }: RecordedStep): Generator<string> {
  const layers = header.connections.length;
  const scalars = SCALARS.map((key) => toWireOrNull(report[key]));
  const shared = [header.run, attempt, report.step, new Date(report.time).toISOString(), ...scalars];
  for (const [l, { name, kind }] of header.connections.entries()) {
    const measures = MEASURES.map((_, m) => toWireOrNull(report.measures[m * layers + l]));
    const memory = MEMORY_KINDS.map((_, k) => toWireOrNull(report.memory?.connections[k * layers + l]));
    yield csvRow([...shared, name, kind, ...measures, report.nonfinite[l], ...memory]);
  }
  if (layers === 0) yield csvRow([...shared, ...new Array<null>(MEASURES.length + MEMORY_KINDS.length + 3).fill(null)]);
}

/** Writes a recording as CSV. @param out file to write; undefined: standard output */
export async function exportCsv(file: string, out: string | undefined): Promise<void> {
  const recorder = await requireRecorder();
  const reader = recorder.openReader(file);
  const stream = out === undefined ? process.stdout : createWriteStream(out, { mode: PRIVATE_FILE });
  let rows = 0;
  const write = async (line: string) => {
    if (!stream.write(`${line}\n`)) await once(stream, 'drain');
  };
  try {
    await write(csvHeader());
    for (const step of recorder.readSteps(reader)) {
      for (const row of csvRows(step)) {
        await write(row);
        rows++;
      }
    }
  } finally {
    recorder.closeReader(reader);
  }
  if (out !== undefined) {
    stream.end();
    await once(stream, 'finish');
    process.stderr.write(`${rows} rows in ${out}\n`);
  }
}
