/** A NaN or an infinite value anywhere: the matrices, the loss, the gradient. Fires at once. */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { finding } from '../finding.ts';
import type { Finding } from '../latch.ts';

const WORDS = { compositeGain: 'composite gain', loss: 'loss', gradientNorm: 'gradient norm' } as const;

export function findNonfinite(header: RunHeader, report: StepReport): Finding {
  const common = { rule: 'nonfinite', severity: 'critical', threshold: 0 } as const;
  const l = report.nonfinite.findIndex((count) => count > 0);
  if (l >= 0) {
    const { name } = header.connections[l];
    const suspects = Array.from(report.nonfinite.keys()).filter((k) => report.nonfinite[k] > 0);
    const value = report.nonfinite[l];
    const message = `${name} of run ${header.run} holds ${value} NaN or infinite values at step ${report.step}: stop, and go back to a checkpoint before it.`;
    return finding(header, report, 'fire', { ...common, measure: 'nonfinite', value, suspects, message });
  }
  for (const measure of ['compositeGain', 'loss', 'gradientNorm'] as const) {
    const value = report[measure];
    if (value === null || Number.isFinite(value)) continue;
    const message = `The ${WORDS[measure]} of run ${header.run} is ${value} at step ${report.step}: stop, and go back to a checkpoint before it.`;
    return finding(header, report, 'fire', { ...common, measure, value, message });
  }
  return null;
}
