/** A recording of any size that no training made, through the real recorder: gains that wander, one connection that rises. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { closeRecording, commitReports, openRecording } from '../../plugin/recorder/write.ts';
import { seededRandom } from '../../src/model/random.ts';
import { MEASURE_INDEX, MEASURES, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import { headerOf } from './samples.ts';

export interface Size {
  run: string;
  layers: number;
  steps: number;
  /** Between two steps, ms. */
  every: number;
}

const N = 4;
const BATCH = 500;

/** @returns the file; one that is there is kept. @param onProgress told the steps done */
export function makeLargeRecording(folder: string, { run, layers, steps, every }: Size, onProgress: (steps: number) => void): string {
  const path = join(folder, `${run}.sqlite`);
  if (existsSync(path)) return path;
  const header = headerOf(run, 'hc', layers, N, 64);
  const random = seededRandom(1);
  const start = Date.now() - steps * every;
  const walk = new Float64Array(layers);
  const recording = openRecording(folder, header, start);
  const reportAt = (step: number): StepReport => {
    const measures = new Float32Array(MEASURES.length * layers);
    const set = (key: MeasureKey, of: (l: number) => number) => {
      for (let l = 0; l < layers; l++) measures[MEASURE_INDEX[key] * layers + l] = of(l);
    };
    for (let l = 0; l < layers; l++) walk[l] = 0.999 * walk[l] + 0.02 * (random() - 0.5) + (l === 77 % layers ? 0.003 * (step / steps) : 0);
    for (const { key } of MEASURES) set(key, () => random());
    set('forwardGain', (l) => Math.exp(walk[l]));
    set('backwardGain', (l) => Math.exp(walk[l] / 2));
    set('compositeForwardGain', (l) => Math.exp((l / layers) * (1 + (4 * step) / steps) + walk[l]));
    set('compositeBackwardGain', (l) => Math.exp((1 - l / layers) * (1 + (4 * step) / steps) + walk[l]));
    return {
      step,
      time: start + step * every,
      stepSeconds: every / 1000,
      loss: 5 * step ** -0.1 + 0.1 * random(),
      gradientNorm: 1 + 0.2 * random(),
      learningRate: 1e-3,
      compositeGain: Math.exp(1 + (4 * step) / steps + 0.05 * random()),
      measures,
      mapping: Float32Array.from({ length: layers * N * N }, (_, k) => ((k % (N * N)) % (N + 1) === 0 ? 0.9 : 0.03)),
      nonfinite: new Float64Array(layers),
      memory: {
        connections: Float64Array.from({ length: MEMORY_KINDS.length * layers }, (_, k) => 1e5 * (1 + (k % 7))),
        totals: new Map(Object.entries({ parameters: 1e8, allocated: 2e9 })),
      },
      monitor: { overheadSeconds: 0.002 * step, samplesDropped: 0, errors: 0 },
    };
  };
  for (let done = 0; done < steps; done += BATCH) {
    const reports = Array.from({ length: Math.min(BATCH, steps - done) }, (_, i) => reportAt(done + i + 1));
    commitReports(recording, reports);
    onProgress(done + reports.length);
  }
  closeRecording(recording, 'completed', start + steps * every);
  return path;
}
