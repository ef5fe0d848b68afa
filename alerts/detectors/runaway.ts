/**
 * A connection that runs away from the others: its own gain (HC) or the range of its logits (mHC) grows while that of its
 * peers does not. The composite gain may stay where it is meanwhile, as the rest of the model gives way.
 */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { finding, measureOf } from '../finding.ts';
import { byGrowth, createGrowth, type Growth, noteGrowth, outliersOf } from '../growth.ts';
import type { Finding } from '../latch.ts';
import { MIN_LOGIT_RANGE } from '../limits.ts';

/**
 * Growth of the logarithm beyond the median connection's, and in robust deviations of the peers; and the value below which
 * nothing is amiss (Sinkhorn stops converging at a range of the logits of about 30).
 */
const LIMITS = {
  gain: { least: 0.25, deviations: 6, floor: 0 },
  logitRange: { least: 0.4, deviations: 6, floor: MIN_LOGIT_RANGE },
} as const;

export interface Runaway {
  /** One of each connection that is free to have a gain (not mHC, not residual) ... */
  gain: Growth;
  /** ... and one of each mHC connection. */
  logitRange: Growth;
}

/** Positions of the connections that each quantity is watched of. */
function watched(header: RunHeader): Record<keyof Runaway, number[]> {
  const all = [...header.connections.keys()];
  const kindOf = (l: number) => header.connections[l].kind;
  return {
    gain: all.filter((l) => kindOf(l) === 'hc' || kindOf(l) === 'own'),
    logitRange: all.filter((l) => kindOf(l) === 'mhc'),
  };
}

export function createRunaway(header: RunHeader): Runaway {
  const { gain, logitRange } = watched(header);
  return { gain: createGrowth(gain.length), logitRange: createGrowth(logitRange.length) };
}

export function findRunaway(header: RunHeader, state: Runaway, report: StepReport): Finding {
  const connections = watched(header);
  const gainOf = (l: number) => Math.max(measureOf(header, report, 'forwardGain', l), measureOf(header, report, 'backwardGain', l));
  noteGrowth(
    state.gain,
    connections.gain.map((l) => Math.log(gainOf(l))),
  );
  noteGrowth(
    state.logitRange,
    connections.logitRange.map((l) => Math.log(measureOf(header, report, 'logitRange', l))),
  );
  for (const what of ['gain', 'logitRange'] as const) {
    const { least, deviations, floor } = LIMITS[what];
    const outliers = outliersOf(state[what], least, deviations);
    const { usual, limit } = outliers;
    const positions = outliers.positions.filter((k) => Math.exp(state[what].fast[k]) >= floor);
    if (positions.length === 0) continue;
    const suspects = positions.map((k) => connections[what][k]);
    const value = Math.exp(state[what].growth[positions[0]]);
    const forward = measureOf(header, report, 'forwardGain', suspects[0]) >= measureOf(header, report, 'backwardGain', suspects[0]);
    return finding(header, report, 'fire', {
      rule: 'runaway-connection',
      severity: 'warning',
      measure: what === 'logitRange' ? what : forward ? 'forwardGain' : 'backwardGain',
      value,
      threshold: Math.exp(limit),
      suspects,
      cause: { kind: 'runaway', figures: { growth: value, usualGrowth: Math.exp(usual) } },
    });
  }
  return null;
}

/** Positions of the three connections that grow most: they drive what goes wrong as a whole. */
export function suspectsOf(header: RunHeader, state: Runaway): number[] {
  const { gain, logitRange } = watched(header);
  const positions = [...gain, ...logitRange];
  const growth = [...state.gain.growth, ...state.logitRange.growth];
  return byGrowth(growth)
    .slice(0, 3)
    .map((k) => positions[k]);
}
