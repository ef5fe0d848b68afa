/** Headers and samples of runs that were never trained, for tests of what lies behind the probe. */
import { seededRandom } from '../../src/model/random.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { type ConnectionKind, MEMORY_KINDS, type RunHeader, type StepSample } from '../../src/telemetry/sample.ts';
import type { Warning, WarningRecord } from '../../src/telemetry/warning.ts';

/** From which the steps made for tests count theirs, ms since 1970. */
export const TEST_TIME = 1_700_000_000_000;

/** Of connections of one kind, two a block: block0.attention, block0.mlp … */
export function testHeader(run: string, layers = 3, streams = 2, tokens = 4, kind: ConnectionKind = 'hc'): RunHeader {
  const connections = Array.from({ length: layers }, (_, l) => ({
    name: `block${l >> 1}.${l % 2 === 0 ? 'attention' : 'mlp'}`,
    kind,
    convention: kind === 'mhc' ? ('paper' as const) : null,
  }));
  return { run, streams, tokens, connections };
}

/** Random matrices near the identity; step by step different, the same for the same step. */
export function testSample(header: RunHeader, step: number, change: Partial<StepSample> = {}): StepSample {
  const random = seededRandom(step);
  const { streams: n, tokens } = header;
  const layers = header.connections.length;
  const size = layers * tokens * n * n;
  const filled = (length: number, at: (k: number) => number) => Float32Array.from({ length }, (_, k) => at(k));
  return {
    step,
    time: TEST_TIME + step * 1000,
    stepSeconds: 0.2,
    loss: 5 / step,
    gradientNorm: random(),
    learningRate: 1e-3,
    mappings: filled(size, (k) => ((k % (n * n)) % (n + 1) === 0 ? 1 : 0) + 0.2 * random()),
    logits: null,
    grams: filled(size, (k) => ((k % (n * n)) % (n + 1) === 0 ? 2 : 0.5)),
    inputSquares: filled(layers * tokens, () => 2 + random()),
    gradientGains: null,
    logitGradients: null,
    memory: {
      connections: Float64Array.from({ length: MEMORY_KINDS.length * layers }, (_, k) => 1000 + k),
      totals: new Map(Object.entries({ allocated: 12345, parameters: 400 })),
    },
    monitor: { overheadSeconds: step * 0.001, samplesDropped: 0, errors: 0 },
    ...change,
  };
}

/** Raised at step 7, and holding. */
export const testWarning = (warning: Partial<Warning> = {}, record: Partial<WarningRecord> = {}): WarningRecord => ({
  id: 0,
  warning: {
    run: 'a-run',
    rule: 'gain-forecast',
    severity: 'critical',
    step: 7,
    time: 1,
    connection: 'block0.mlp',
    suspects: ['block0.mlp'],
    measure: 'compositeGain',
    value: Number.POSITIVE_INFINITY,
    threshold: 1000,
    stepsLeft: 10,
    interval: [5, 20],
    cause: null,
    message: 'G < 1000 & rising',
    runbook: 'runbook.md#gain-forecast',
    ...warning,
  },
  clearedStep: null,
  clearedTime: null,
  acknowledgedTime: null,
  ...record,
});

export const testReport = (header: RunHeader, step: number, change: Partial<StepSample> = {}): StepReport =>
  analyse(header, testSample(header, step, change));
