/** From where on a run is warned of: every limit, once. Read by detectors, rules, command line and page. How a limit is watched is the detector's. */
import type { RunLimits } from '../src/telemetry/api.ts';
import type { ConnectionInfo, RunHeader } from '../src/telemetry/sample.ts';

/** Is every mapping kept near the doubly stochastic ones, so that a gain is at most n? */
export const isBounded = ({ connections }: { connections: readonly Pick<ConnectionInfo, 'kind'>[] }): boolean =>
  connections.every(({ kind }) => kind === 'mhc' || kind === 'residual');

/** The limits that hold for this run's connections. */
export function runLimits(header: Pick<RunHeader, 'streams' | 'connections'>): RunLimits {
  const bounded = header.streams > 2 ? [header.streams / 2] : [];
  return { gain: isBounded(header) ? bounded : [100, 1000], separation: 0.05, deviation: 0.5, sum: 0.2 };
}
