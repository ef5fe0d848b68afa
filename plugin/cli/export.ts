/** `gainwatch export`: a recording as CSV, one row per attempt, step and connection. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import { toWire } from '../../src/telemetry/wire.ts';
import { requireRecorder } from '../recorder/loadRecorder.ts';
import type { RecordedStep } from '../recorder/read.ts';

const SCALARS = ['stepSeconds', 'loss', 'gradientNorm', 'learningRate', 'compositeGain'] as const;

const cell = (value: number | null): string => (value === null ? '' : String(toWire(value)));
const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function csvHeader(): string {
  const measures = MEASURES.map((m) => m.key);
  const memory = MEMORY_KINDS.map((kind) => `${kind}_bytes`);
  return ['run', 'attempt', 'step', 'time', ...SCALARS, 'connection', 'kind', ...measures, 'nonfinite', ...memory].join(',');
}

/** One row per connection; a number that is not known is an empty cell, NaN and ±Inf are NaN, +Inf, -Inf. */
function* csvRows({ attempt, header, report }: RecordedStep): Generator<string> {
  const layers = header.connections.length;
  const scalars = SCALARS.map((key) => cell(report[key]));
  const shared = [header.run, attempt, report.step, new Date(report.time).toISOString(), ...scalars];
  for (const [l, { name, kind }] of header.connections.entries()) {
    const measures = MEASURES.map((_, m) => cell(report.measures[m * layers + l]));
    const memory = MEMORY_KINDS.map((_, k) => cell(report.memory?.connections[k * layers + l] ?? null));
    yield [...shared, quoted(name), kind, ...measures, report.nonfinite[l], ...memory].join(',');
  }
}

/** @param out file to write; undefined: standard output */
export async function exportCsv(file: string, out: string | undefined): Promise<void> {
  const recorder = await requireRecorder();
  const reader = recorder.openReader(file);
  const stream = out === undefined ? process.stdout : createWriteStream(out);
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
