/** Recordings of made-up reports, for tests of the recorder. */
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { testHeader, testReport } from './samples.ts';

const header = testHeader('hc');

/** Of the steps from one number to another. */
export const reports = (from: number, to: number): StepReport[] =>
  Array.from({ length: to - from + 1 }, (_, i) => testReport(header, from + i));

/** Records run hc, one commit for each batch. @returns the file */
export function recorded(folder: string, batches: StepReport[][]): string {
  const recording = openRecording(folder, header, 1000);
  for (const batch of batches) commitReports(recording, batch);
  closeRecording(recording, 'completed', 2000);
  return recording.path;
}

/** Matrices of a sample of run hc, one value of the first connection not finite. */
export function brokenMappings(value = Number.NaN): Float32Array {
  const mappings = new Float32Array(3 * 4 * 4).fill(0.5);
  mappings[5] = value;
  return mappings;
}
