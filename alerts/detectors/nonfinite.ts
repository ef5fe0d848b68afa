/** A NaN or an infinite value anywhere: the matrices, the loss, the gradient. Fires at once. */
import type { Detector } from '../detector.ts';
import { finding } from '../finding.ts';
import { MAX_NONFINITE } from '../limits.ts';

const GIVEN = { rule: 'nonfinite', severity: 'critical', threshold: MAX_NONFINITE } as const;

export const nonfinite: Detector<null> = {
  rule: GIVEN.rule,
  patience: { confirm: 1, clear: 20 },
  create: () => null,
  update: () => {},
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
