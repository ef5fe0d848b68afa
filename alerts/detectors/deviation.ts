/**
 * Drift of a connection that should be doubly stochastic (mHC, or found to be so) off these matrices: its Sinkhorn no longer
 * converges. A healthy run drifts a little, all connections together, so one is judged by its own past and by its peers, or by
 * a deviation that is high for any. The direction that Sinkhorn normalises last is exact, so only the other one says something.
 */
import type { MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { type Detector, finding } from '../detector.ts';
import { addGrowth, byGrowth, createGrowth, type GrowthState, moveGrowth, outliersOf } from '../growth.ts';
import { MAX_DEVIATION, MAX_LOGIT_RANGE, MIN_DEVIATION } from '../limits.ts';
import { measureOf, watchedConnections, watchedNames } from '../shared.ts';
import { digits, type Given, growthPhrase, LAYER, PAIRED, RUN, type RuleEntry, type Words, type WordsOf } from '../words.ts';

/** Growth of ln(deviation) beyond the median connection's. Our choice: nearly a doubling, as a deviation swings more than a gain. */
const MIN_GROWTH = 0.6;
/** The same in robust deviations of the peers. Our choice: six, as there are many connections and steps. */
const MIN_DEVIATIONS = 6;

const watched = (header: RunHeader): number[] => watchedConnections(header).deviation;

/** The direction that is not exact: by the convention, else the one that is off more. */
function measureFor(header: RunHeader, report: StepReport, l: number): MeasureKey {
  const { convention } = header.connections[l];
  if (convention !== null) return convention === 'deepseek' ? 'rowDeviation' : 'columnDeviation';
  const [row, column] = (['rowDeviation', 'columnDeviation'] as const).map((key) => measureOf(header, report, key, l));
  return row > column || Number.isNaN(column) ? 'rowDeviation' : 'columnDeviation';
}

/** The state is of each connection that should be doubly stochastic, over ln(deviation). */
export const deviationDrift: Detector<GrowthState> = {
  rule: 'deviation-drift',
  // Our choice: no accident of a few steps, and no end while the peers catch up.
  patience: { confirm: 5, clear: 100 },
  create: (header) => createGrowth(watched(header).length),
  update(state, { header, report }) {
    const deviations = watched(header).map((l) => Math.log(measureOf(header, report, measureFor(header, report, l), l)));
    addGrowth(state, deviations);
  },
  move: (state, before, after) => moveGrowth(state, watchedNames(before, 'deviation'), watchedNames(after, 'deviation')),
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
      severity: 'warning',
      measure: measureFor(header, report, connections[k]),
      value: deviationOf(k),
      threshold: drifts ? Math.exp(state.slow[k] + limit) : MAX_DEVIATION,
      suspects: found.map((position) => connections[position]),
      cause: drifts
        ? { kind: 'deviation-growth', figures: { growth: Math.exp(state.growth[k]), usualGrowth: Math.exp(usual) } }
        : { kind: 'deviation-high', figures: {} },
    });
  },
};

const driftWords = ({ facts: { value }, name, of }: Given<unknown>, how: string): Words => [
  `${name}${of} drifts off the doubly stochastic matrices: deviation ${digits(value)}, ${how}`,
  'Look at its logits and the number of Sinkhorn iterations.',
];

export const deviationWords: WordsOf<'deviation-growth' | 'deviation-high'> = {
  'deviation-growth': (given) => driftWords(given, growthPhrase(given.figures)),
  'deviation-high': (given) => driftWords(given, 'high for any connection'),
};

export const deviationEntry: RuleEntry = {
  alert: 'MhcDeviationDrift',
  summary: `${LAYER} of ${RUN} drifts off the doubly stochastic matrices.`,
  description: 'Its deviation has left its own past and its peers: Sinkhorn no longer converges there.',
  thresholds: [
    {
      alert: 'MhcDeviationHigh',
      // Which direction is exact depends on the implementation: the larger one speaks.
      expr: `max by (run, layer) (
  label_replace(mhc_layer_column_deviation_ratio, "of", "columns", "", "")
  or label_replace(mhc_layer_row_deviation_ratio, "of", "rows", "", "")
) * on (run, layer) max by (run, layer) (mhc_layer_info{bounded="doubly"}) > ${MAX_DEVIATION}`,
      severity: 'warning',
      for: '1m',
      summary: `Sinkhorn does not converge in ${LAYER} of ${RUN}.`,
      description: 'A row or column sum is off by {{ printf "%.2f" $value }}.',
    },
  ],
  pairedWith: PAIRED,
  means:
    'An mHC connection is no longer doubly stochastic: Sinkhorn stops before it has converged. Its gain is then free to grow in the direction that is not normalised last.',
  look: [
    `The range of its logits: above ${MAX_LOGIT_RANGE} Sinkhorn does not converge in 20 iterations.`,
    'The number of iterations.',
    'Sinkhorn in half precision.',
  ],
  act: ['More iterations, in float32.', 'Weight decay or a lower learning rate on the logits.'],
};
