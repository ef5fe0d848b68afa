/** A run with its newest step and a warning, and the verdict on them, for tests of the verdict. */
import { runLimits } from '../../alerts/limits.ts';
import { type Facts, type Verdict, verdictOf } from '../../dashboard/model/verdict.ts';
import { toStepAnswer, toWarningAnswer } from '../../src/telemetry/answer.ts';
import type { RunDetail, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';
import { boundOf } from '../../src/telemetry/sample.ts';
import { testHeader, testReport, testWarning } from './samples.ts';

const header = testHeader('hc');
/** The newest. */
export const step: StepAnswer = toStepAnswer(header, 1, testReport(header, 900));
/** Three seconds after it. */
export const NOW = step.time + 3000;

/** Live, of free connections. */
export const run = (change: Partial<RunDetail> = {}): RunDetail => ({
  run: 'hc',
  attempt: 1,
  streams: header.streams,
  kinds: ['hc'],
  connectionCount: header.connections.length,
  uploaded: false,
  live: true,
  outcome: null,
  startedAt: 0,
  lastStep: step.step,
  lastTime: step.time,
  lastLoss: step.loss,
  lastCompositeGain: step.compositeGain,
  maxCompositeGain: step.compositeGain,
  activeWarnings: 0,
  limits: runLimits(header),
  tokens: header.tokens,
  connections: header.connections.map((one) => ({ ...one, bounded: boundOf(one) })),
  selfTest: null,
  measures: [],
  memoryKinds: [],
  attempts: [],
  ...change,
});

/** Critical: the composite gain is forecast to reach the last limit. */
export const warning = (change: Partial<WarningAnswer> = {}): WarningAnswer => ({
  ...toWarningAnswer(testWarning({ run: 'hc', step: 842, time: NOW - 120_000, value: 20, stepsLeft: 150, interval: [100, 300] })),
  cause: { kind: 'gain-growth', connection: 'block0.mlp', figures: { passedBy: -1 } },
  ...change,
});

/** Of that run, without a warning. */
export const judge = (change: Partial<Facts> = {}): Verdict =>
  verdictOf({ run: run(), latest: step, warnings: [], link: { connected: true, since: 0 }, now: NOW, ...change });

/** The newest step with a forecast for both limits; `steps` and `high` are those of the last one. */
export const forecast = (steps: StepAnswer['forecast'][number]['steps'], high: typeof steps = 180) => ({
  ...step,
  forecast: [
    { threshold: 100, steps: 40, interval: [30, 50] as [number, number] },
    { threshold: 1000, steps, interval: [90, high] as [number, typeof high] },
  ],
});
