/** Recordings that no training made, through the real pipeline with its detectors: for tests of what shows them. */
import { closeRun, createPipeline, handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import { loadRecorder } from '../../dist/plugin/recorder/loadRecorder.js';
import { headerOf, reportOf, wobble } from './reports.ts';

const LAYERS = 6;
const N = 4;

export const STEPS = 1200;
/** Steps of run hc that were never recorded, and one whose loss and one gain are no numbers. */
export const GAP = { from: 800, to: 849 };
export const BROKEN = 700;

/** Runs hc (rises past 1000, is warned of), mhc (healthy) and residual (interrupted). */
export async function recordRuns(directory: string): Promise<void> {
  const problems: string[] = [];
  const recorder = await loadRecorder((message) => problems.push(message));
  const pipeline = createPipeline({ directory, recorder, now: Date.now, onProblem: (message) => problems.push(message) });
  for (const kind of ['hc', 'mhc', 'residual'] as const) {
    const header = { ...headerOf(kind, LAYERS, N), run: kind };
    const run = openRun(pipeline, header);
    const start = Date.now() - STEPS * 1000;
    for (let step = 1; step <= STEPS; step++) {
      if (kind === 'hc' && step >= GAP.from && step <= GAP.to) continue;
      const broken = kind === 'hc' && step === BROKEN;
      const ln = kind === 'hc' ? Math.max(0, step - 300) / 120 : 0;
      const gain = Math.exp(ln + 0.03 * wobble(step));
      const g = kind === 'residual' ? 1 : kind === 'mhc' ? 1.05 + 0.01 * wobble(step) : gain;
      const report = reportOf(header, step, {
        time: start + 1000 * step,
        loss: broken ? Number.NaN : 4 - step / STEPS + 0.1 * wobble(step),
        compositeGain: g,
        measures: {
          forwardGain: (l) => (broken && l === 2 ? Number.NaN : l === 3 ? Math.exp(ln / 3) : Math.exp(0.01 * wobble(step + l))),
          backwardGain: (l) => Math.exp(0.02 * wobble(step + l)),
          compositeForwardGain: (l) => (l >= 3 ? g : Math.exp(0.01 * wobble(step + l))),
          compositeBackwardGain: (l) => (l <= 3 ? Math.sqrt(g) : 1),
          rowDeviation: 0.01,
          columnDeviation: 0.02,
        },
        mapping: Float32Array.from({ length: LAYERS * N * N }, (_, k) => ((k % (N * N)) % (N + 1) === 0 ? 0.9 : 0.03)),
        memory:
          kind === 'residual'
            ? null
            : {
                connections: Float64Array.from({ length: 5 * LAYERS }, (_, k) => 1000 * (k + 1)),
                totals: new Map(Object.entries({ parameters: 5e5, allocated: 9e6 })),
              },
      });
      handleReport(pipeline, run, report);
    }
    closeRun(pipeline, run, kind === 'residual' ? 'interrupted' : 'completed');
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
}
