/**
 * Dead routing of an mHC connection: H_res is a permutation (no entropy) and its logits get no gradient any more, so it
 * will stay one. A start near the identity has little entropy too, but its gradient lives.
 */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { finding, measureOf } from '../finding.ts';
import type { Finding } from '../latch.ts';
import { MIN_ENTROPY } from '../limits.ts';
import { medianOf } from '../smoothing.ts';

/** Share of its own earlier median below which a gradient is dead. */
const GRADIENT = 0.01;
/** Steps that both must hold, after warm-up. */
const STEPS = 200;
/** Every which step's gradient is remembered, and how many of them at most. */
const EVERY = 10;
const REMEMBERED = 64;

export interface Routing {
  /** Of the last report. */
  step: number;
  /** Gradients of the past, [L] lists; thinned out to every second one where full. */
  gradients: number[][];
  /** Every which of the remembered steps is kept now, [L]. */
  stride: number[];
  /** Step at which each connection was last seen alive, [L]. */
  alive: number[];
}

export function createRouting(layers: number): Routing {
  return {
    step: 0,
    gradients: Array.from({ length: layers }, () => []),
    stride: new Array<number>(layers).fill(EVERY),
    alive: new Array<number>(layers).fill(0),
  };
}

/** @param warm is the learning rate past its warm-up? */
export function findDeadRouting(header: RunHeader, state: Routing, report: StepReport, warm: boolean): Finding {
  const { step } = report;
  const dead: number[] = [];
  header.connections.forEach(({ kind }, l) => {
    if (kind !== 'mhc') return;
    const gradient = measureOf(header, report, 'logitGradient', l);
    const past = state.gradients[l];
    const quiet = past.length > 0 && gradient < GRADIENT * medianOf(past);
    if (!quiet && gradient >= 0) remember(state, l, step, gradient);
    if (!warm || !quiet || !(measureOf(header, report, 'routingEntropy', l) < MIN_ENTROPY)) state.alive[l] = step;
    else if (step - state.alive[l] >= STEPS) dead.push(l);
  });
  state.step = step;
  if (dead.length === 0) return null;
  const [worst] = dead;
  const value = measureOf(header, report, 'routingEntropy', worst);
  return finding(header, report, 'fire', {
    rule: 'dead-routing',
    severity: 'warning',
    measure: 'routingEntropy',
    value,
    threshold: MIN_ENTROPY,
    suspects: dead,
    cause: { kind: 'dead-routing', figures: { steps: step - state.alive[worst] } },
  });
}

/** The first report at or after each multiple of the stride, as not every step may be watched. */
function remember(state: Routing, l: number, step: number, gradient: number): void {
  if (Math.floor(step / state.stride[l]) === Math.floor(state.step / state.stride[l])) return;
  const past = state.gradients[l];
  past.push(gradient);
  if (past.length < REMEMBERED) return;
  state.gradients[l] = past.filter((_, i) => i % 2 === 1);
  state.stride[l] *= 2;
}
