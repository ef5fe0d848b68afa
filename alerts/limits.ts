/**
 * From where on a run is warned of: every limit, once. Read by detectors, rules, command line and page. How a limit is
 * watched, and for how many steps, is the detector's.
 */
import type { RunLimits } from '../src/telemetry/api.ts';
import { boundOf, type ConnectionInfo, type RunHeader } from '../src/telemetry/sample.ts';

/** Composite gain of free connections that wants a look. Our choice: a tenth of the next, in time to act. */
export const MAX_GAIN = 100;
/** Composite gain that leads to overflow. Our choice: the order of what is reported of failing HC runs (3,000 at 27B: arXiv 2512.24880). */
export const MAX_GAIN_CRITICAL = 1000;
/** Composite separation below which the streams count as one (1: apart). Our choice: a twentieth of their differences is left. */
export const MIN_SEPARATION = 0.05;
/** Row or column sum below which a bounded connection has lost its mass, and from which a warning of it ends. Our choice: the sum is 1. */
export const MIN_SUM = 0.2;
export const MIN_SUM_CLEAR = 0.3;
/** Deviation that is high for any bounded connection. Our choice: half of the mass of a row or column is gone, or half as much added. */
export const MAX_DEVIATION = 0.5;
/**
 * Deviation below which a drift does not matter. Our choice: what healthy Sinkhorns have at a logit std of 8 (src/README.md,
 * Sinkhorn–Knopp).
 */
export const MIN_DEVIATION = 0.03;
/** Range of the logits above which 20 iterations of Sinkhorn do not converge (src/README.md, Stability measures). */
export const MAX_LOGIT_RANGE = 30;
/** Range of the logits below which none runs away. Our choice: two thirds of where it harms. */
export const MIN_LOGIT_RANGE = 20;
/** Share of the largest entropy below which a matrix routes hard. Our choice: a row of four streams has 99.8 % of its mass in one. */
export const MIN_ENTROPY = 0.01;
/** Steps that it must last, without a gradient. Our choice: no noise of a gradient lasts as long. */
export const MIN_ENTROPY_STEPS = 200;
/** Seconds without a step that are no habit of any run (an evaluation, a checkpoint). Our choice: a quarter of an hour. */
export const MAX_PAUSE_SECONDS = 900;
/** NaN or infinite values of a step. */
export const MAX_NONFINITE = 0;

/** Is every mapping kept near the doubly stochastic ones, so that a gain is at most n? */
export const isBounded = ({ connections }: { connections: readonly Pick<ConnectionInfo, 'kind' | 'bounded'>[] }): boolean =>
  connections.every((one) => boundOf(one) === 'doubly');

/**
 * Limit of the composite gain of bounded connections, which is n at most. Our choice: half of that; null for n ≤ 2, where it would
 * be 1.
 */
export const boundedGain = (streams: number): number | null => (streams > 2 ? streams / 2 : null);

/** The limits that hold for this run's connections; a baseline has no gain. */
export function runLimits(header: Pick<RunHeader, 'streams' | 'connections'>): RunLimits {
  const free = [MAX_GAIN, MAX_GAIN_CRITICAL];
  const bounded = header.connections.length === 0 ? null : boundedGain(header.streams);
  const gain = isBounded(header) ? [bounded].filter((limit) => limit !== null) : free;
  return { gain, separation: MIN_SEPARATION, deviation: MAX_DEVIATION, sum: MIN_SUM };
}
