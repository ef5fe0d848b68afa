/** A NaN or an infinite value anywhere: the matrices, the loss, the gradient. Fires at once. */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { finding } from '../finding.ts';
import type { Finding } from '../latch.ts';
import { MAX_NONFINITE } from '../limits.ts';

export function findNonfinite(header: RunHeader, report: StepReport): Finding {
  const common = { rule: 'nonfinite', severity: 'critical', threshold: MAX_NONFINITE } as const;
  const l = report.nonfinite.findIndex((count) => count > 0);
  if (l >= 0) {
    const suspects = Array.from(report.nonfinite.keys()).filter((k) => report.nonfinite[k] > 0);
    const value = report.nonfinite[l];
    return finding(header, report, 'fire', {
      ...common,
      measure: 'nonfinite',
      value,
      suspects,
      cause: { kind: 'nonfinite-values', figures: { count: value } },
    });
  }
  for (const measure of ['compositeGain', 'loss', 'gradientNorm'] as const) {
    const value = report[measure];
    if (value === null || Number.isFinite(value)) continue;
    return finding(header, report, 'fire', { ...common, measure, value, cause: { kind: 'nonfinite-scalar', figures: {} } });
  }
  return null;
}
