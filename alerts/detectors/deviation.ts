/**
 * Drift of an mHC connection off the doubly stochastic matrices: its Sinkhorn no longer converges. A healthy run drifts a
 * little, all connections together, so one is judged by its own past and by its peers, or by a deviation that is high for
 * any. The direction that Sinkhorn normalises last is exact, so only the other one says something.
 */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { finding, measureOf } from '../finding.ts';
import { byGrowth, createGrowth, type Growth, noteGrowth, outliersOf } from '../growth.ts';
import type { Finding } from '../latch.ts';
import { MAX_DEVIATION, MIN_DEVIATION } from '../limits.ts';

/** Growth of ln(deviation) beyond the median connection's, in robust deviations of the peers. */
const LEAST = 0.6;
const DEVIATIONS = 6;

/** One of each mHC connection, over ln(deviation). */
export type Deviation = Growth;

const watched = (header: RunHeader): number[] => [...header.connections.keys()].filter((l) => header.connections[l].kind === 'mhc');
const measureFor = (header: RunHeader, l: number) =>
  header.connections[l].convention === 'deepseek' ? 'rowDeviation' : ('columnDeviation' as const);

export const createDeviation = (header: RunHeader): Deviation => createGrowth(watched(header).length);

export function findDrift(header: RunHeader, state: Deviation, report: StepReport): Finding {
  const connections = watched(header);
  noteGrowth(
    state,
    connections.map((l) => Math.log(measureOf(header, report, measureFor(header, l), l))),
  );
  const { usual, limit, positions } = outliersOf(state, LEAST, DEVIATIONS);
  const deviationOf = (k: number) => Math.exp(state.fast[k]);
  const drifting = positions.filter((k) => deviationOf(k) >= MIN_DEVIATION);
  const high = byGrowth(state.fast).filter((k) => state.seen[k] > 0 && deviationOf(k) >= MAX_DEVIATION);
  const found = drifting.length > 0 ? drifting : high;
  if (found.length === 0) return null;
  const [k] = found;
  const value = deviationOf(k);
  return finding(header, report, 'fire', {
    rule: 'deviation-drift',
    severity: 'warning',
    measure: measureFor(header, connections[k]),
    value,
    threshold: drifting.length > 0 ? Math.exp(state.slow[k] + limit) : MAX_DEVIATION,
    suspects: found.map((position) => connections[position]),
    cause:
      drifting.length > 0
        ? { kind: 'deviation-growth', figures: { growth: Math.exp(state.growth[k]), usualGrowth: Math.exp(usual) } }
        : { kind: 'deviation-high', figures: {} },
  });
}
