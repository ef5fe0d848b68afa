/** A NaN or an infinite value anywhere: the matrices, the loss, the gradient. Fires at once. */
import { type Detector, finding } from '../detector.ts';
import { MAX_NONFINITE } from '../limits.ts';
import { PAIRED, type RuleEntry, scalarPhrase, type WordsOf } from '../words.ts';

const GIVEN = { severity: 'critical', threshold: MAX_NONFINITE } as const;

export const nonfinite: Detector<null> = {
  rule: 'nonfinite',
  // Our choice: one value is certain, and does not go by itself.
  patience: { confirm: 1, clear: 20 },
  judge(_state, { header, report }) {
    const suspects = [...report.nonfinite.keys()].filter((l) => report.nonfinite[l] > MAX_NONFINITE);
    if (suspects.length > 0) {
      const value = report.nonfinite[suspects[0]];
      const cause = { kind: 'nonfinite-values', figures: { count: value } } as const;
      return finding(header, report, 'fire', { ...GIVEN, measure: 'nonfinite', value, suspects, cause });
    }
    for (const measure of ['compositeGain', 'loss', 'gradientNorm'] as const) {
      const value = report[measure];
      if (value === null || Number.isFinite(value)) continue;
      return finding(header, report, 'fire', { ...GIVEN, measure, value, cause: { kind: 'nonfinite-scalar', figures: {} } });
    }
    return null;
  },
};

const goBack = ({ step }: { step: number }): string => `at step ${step}: stop, and go back to a checkpoint before it`;

export const nonfiniteWords: WordsOf<'nonfinite-values' | 'nonfinite-scalar'> = {
  'nonfinite-values': ({ facts, figures: { count }, name, of }) => [`${name}${of} holds ${count} NaN or infinite values ${goBack(facts)}`],
  'nonfinite-scalar': ({ facts, the, of }) => [`${the} ${scalarPhrase(facts)}${of} is ${facts.value} ${goBack(facts)}`],
};

export const nonfiniteEntry: RuleEntry = {
  alert: PAIRED,
  // The first scrape may find a counter above 0 already: no increase then, but no value five minutes ago either.
  expr: `max by (run, layer) (
  increase(mhc_nonfinite_values_total[5m]) > ${MAX_NONFINITE}
  or (mhc_nonfinite_values_total > ${MAX_NONFINITE} unless mhc_nonfinite_values_total offset 5m)
  or mhc_warning_active{rule="nonfinite"}
  or (mhc_composite_gain_ratio != mhc_composite_gain_ratio)
  or (mhc_composite_gain_ratio == Inf)
  or (mhc_training_loss != mhc_training_loss)
)`,
  severity: 'critical',
  keepFiringFor: '5m',
  summary: `Run {{ $labels.run }} holds NaN or infinite values{{ with $labels.layer }} in {{ . }}{{ end }}.`,
  description: 'The matrices, the loss or the gain are not finite. Every threshold is blind to NaN.',
  means:
    'NaN or infinite values in the matrices, the gain, the loss or the gradient. Every threshold is blind to NaN, so this stands beside each of them.',
  look: [
    'Which connection had them first.',
    'The composite gain just before.',
    'Half precision, a division by a sum of 0, a broken batch.',
  ],
  act: ['Stop: further steps only spread it.', 'Go back to a checkpoint before the first warning of the run.'],
};
