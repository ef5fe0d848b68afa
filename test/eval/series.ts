/** A recording as the evaluation reads it: the series of the whole run, and its reports for the detectors. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { decodeReduced, reportAt } from './reduced.ts';
import type { RunSpec } from './spec.ts';

export interface Series {
  spec: RunSpec;
  header: RunHeader;
  /** Steps 1 to `steps`, at the positions 0 to steps − 1 of each list. */
  steps: number;
  /** Composite gain G; Infinity where it is not finite. */
  gain: Float64Array;
  loss: Float64Array;
  gradientNorm: Float64Array;
  /** Smallest separation of the prefix products; 0 where it is not finite. */
  separation: Float64Array;
  reportAt(i: number): StepReport;
}

/** @param file a recording of the corpus, compressed. @throws Error where it is damaged */
export function seriesOf(file: Uint8Array): Series {
  const reduced = decodeReduced(file);
  const { spec, header, steps, planes } = reduced;
  const layers = header.connections.length;
  const over = (key: string, of: (values: Float32Array) => number) =>
    Float64Array.from({ length: steps }, (_, i) => of(planes[key].subarray(i * layers, (i + 1) * layers)));
  const forward = over('compositeForwardGain', (values) => Math.max(...values));
  const backward = over('compositeBackwardGain', (values) => Math.max(...values));
  return {
    spec,
    header,
    steps,
    gain: forward.map((value, i) => (Number.isNaN(value + backward[i]) ? Number.POSITIVE_INFINITY : Math.max(value, backward[i]))),
    loss: Float64Array.from(planes['loss']),
    gradientNorm: Float64Array.from(planes['gradientNorm']),
    separation: over('separation', (values) => Math.min(...values)).map((value) => (Number.isNaN(value) ? 0 : value)),
    reportAt: (i) => reportAt(reduced, i),
  };
}

/** The recordings of a folder, in the order of their names. @throws Error that names a file that is damaged, or a folder without any */
export function readSeries(folder: string): Series[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.br'));
  if (names.length === 0) throw new Error(`${folder} holds no recordings (*.br); npm run eval:record makes them`);
  return names.sort().map((name) => {
    try {
      return seriesOf(readFileSync(join(folder, name)));
    } catch (cause) {
      throw new Error(`${join(folder, name)} cannot be read: ${String(cause)}`, { cause });
    }
  });
}
