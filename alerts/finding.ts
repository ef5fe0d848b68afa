/** Makes findings for the latch: fills in what every warning carries. */
import { MEASURE_INDEX, type MeasureKey } from '../src/telemetry/catalogue.ts';
import type { StepReport } from '../src/telemetry/report.ts';
import type { RunHeader } from '../src/telemetry/sample.ts';
import type { Warning } from '../src/telemetry/warning.ts';
import type { Finding } from './latch.ts';

/** A measure of connection `l`; NaN where it is undefined. */
export function measureOf(header: RunHeader, report: StepReport, key: MeasureKey, l: number): number {
  return report.measures[MEASURE_INDEX[key] * header.connections.length + l];
}

type Given = Pick<Warning, 'rule' | 'severity' | 'measure' | 'value' | 'threshold' | 'message'> & {
  /** Steps; Infinity: never. */
  stepsLeft?: number;
  interval?: [low: number, high: number];
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
      ...given,
      stepsLeft: wholeOrNull(given.stepsLeft),
      interval: given.interval === undefined ? null : [wholeOrNull(given.interval[0]) ?? 0, wholeOrNull(given.interval[1])],
      runbook: `runbook.md#${given.rule}`,
      cause: null,
    },
  };
}

/** Three digits, for sentences. */
export function digits(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : String(value);
}

const wholeOrNull = (steps: number | undefined): number | null =>
  steps === undefined || !Number.isFinite(steps) ? null : Math.round(steps);

/** "in about 120 steps (90 to 180)", for sentences. */
export function span(steps: number, [low, high]: [low: number, high: number]): string {
  if (!Number.isFinite(steps)) return 'at a time that cannot be told yet';
  const range = Number.isFinite(high) ? `${Math.round(low)} to ${Math.round(high)}` : `${Math.round(low)} or more`;
  return `in about ${Math.round(steps)} steps (${range})`;
}
