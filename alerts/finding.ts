/** Makes findings for the latch: fills in what every warning carries. */
import { MEASURE_INDEX, type MeasureKey } from '../src/telemetry/catalogue.ts';
import type { StepReport } from '../src/telemetry/report.ts';
import type { RunHeader } from '../src/telemetry/sample.ts';
import type { Finding } from './latch.ts';
import type { Warning } from './warning.ts';

/** A measure of connection `l`; NaN where it is undefined. */
export function measureOf(header: RunHeader, report: StepReport, key: MeasureKey, l: number): number {
  return report.measures[MEASURE_INDEX[key] * header.connections.length + l];
}

type Given = Pick<Warning, 'rule' | 'severity' | 'measure' | 'value' | 'threshold' | 'message'> &
  Partial<Pick<Warning, 'stepsLeft' | 'interval'>> & {
    /** Positions of connections, the likeliest first. */
    suspects?: number[];
  };

export function finding(
  header: RunHeader,
  report: Pick<StepReport, 'step' | 'time'>,
  level: 'fire' | 'hold',
  { suspects = [], ...given }: Given,
): Finding {
  const names = suspects.slice(0, 3).map((l) => header.connections[l].name);
  return {
    level,
    warning: {
      run: header.run,
      step: report.step,
      time: report.time,
      connection: names[0] ?? null,
      suspects: names,
      stepsLeft: null,
      interval: null,
      ...given,
      runbook: `runbook.md#${given.rule}`,
    },
  };
}

/** Three digits, for sentences. */
export function digits(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : String(value);
}
