/**
 * Drift of an mHC connection off the doubly stochastic matrices: its Sinkhorn no longer converges. A healthy run drifts a
 * little, all connections together, so one is judged by its own past and by its peers, or by a deviation that is high for
 * any. The direction that Sinkhorn normalises last is exact, so only the other one says something.
 */
import type { MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { Detector } from '../detector.ts';
import { finding, measureOf } from '../finding.ts';
import { addGrowth, byGrowth, createGrowth, type GrowthState, outliersOf } from '../growth.ts';
import { MAX_DEVIATION, MIN_DEVIATION } from '../limits.ts';

/** Growth of ln(deviation) beyond the median connection's. Our choice: nearly a doubling, as a deviation swings more than a gain. */
const MIN_GROWTH = 0.6;
/** The same in robust deviations of the peers. Our choice: six, as there are many connections and steps. */
const MIN_DEVIATIONS = 6;

const watched = ({ connections }: RunHeader): number[] => [...connections.keys()].filter((l) => connections[l].kind === 'mhc');
const measureFor = ({ connections }: RunHeader, l: number): MeasureKey =>
  connections[l].convention === 'deepseek' ? 'rowDeviation' : 'columnDeviation';

/** The state is of each mHC connection, over ln(deviation). */
export const deviationDrift: Detector<GrowthState> = {
  rule: 'deviation-drift',
  // Our choice: no accident of a few steps, and no end while the peers catch up.
  patience: { confirm: 5, clear: 100 },
  create: (header) => createGrowth(watched(header).length),
  update(state, { header, report }) {
    addGrowth(
      state,
      watched(header).map((l) => Math.log(measureOf(header, report, measureFor(header, l), l))),
    );
  },
  judge(state, { header, report }) {
    const connections = watched(header);
    const { usual, limit, positions } = outliersOf(state, MIN_GROWTH, MIN_DEVIATIONS);
    const deviationOf = (k: number) => Math.exp(state.fast[k]);
    const drifting = positions.filter((k) => deviationOf(k) >= MIN_DEVIATION);
    const drifts = drifting.length > 0;
    const high = byGrowth(state.fast).filter((k) => state.seen[k] > 0 && deviationOf(k) >= MAX_DEVIATION);
    const found = drifts ? drifting : high;
    if (found.length === 0) return null;
    const [k] = found;
    return finding(header, report, 'fire', {
      rule: 'deviation-drift',
      severity: 'warning',
      measure: measureFor(header, connections[k]),
      value: deviationOf(k),
      threshold: drifts ? Math.exp(state.slow[k] + limit) : MAX_DEVIATION,
      suspects: found.map((position) => connections[position]),
      cause: drifts
        ? { kind: 'deviation-growth', figures: { growth: Math.exp(state.growth[k]), usualGrowth: Math.exp(usual) } }
        : { kind: 'deviation-high', figures: {} },
    });
  },
};
