/** Makes findings for the latch: fills in what every warning carries but its rule and message. */
import { MEASURE_INDEX, type MeasureKey } from '../src/telemetry/catalogue.ts';
import type { StepReport } from '../src/telemetry/report.ts';
import type { RunHeader } from '../src/telemetry/sample.ts';
import type { CauseFacts, Warning } from '../src/telemetry/warning.ts';
import type { Finding, Found } from './latch.ts';

/** A measure of connection `l`; NaN where it is undefined. */
export function measureOf(header: RunHeader, report: StepReport, key: MeasureKey, l: number): number {
  return report.measures[MEASURE_INDEX[key] * header.connections.length + l];
}

type Given = Pick<Warning, 'severity' | 'measure' | 'value' | 'threshold'> & {
  cause: CauseFacts;
  /** Steps; Infinity: never. */
  stepsLeft?: number;
  interval?: [low: number, high: number];
  /** Positions of connections, the likeliest first. */
  suspects?: number[];
};

/**
 * A finding with all that its warning has: names for the positions of `suspects`, the first three; steps in whole numbers.
 * @param level 'fire' raises a warning, 'hold' keeps one that is up
 */
export function finding(
  header: RunHeader,
  { step, time }: Pick<StepReport, 'step' | 'time'>,
  level: 'fire' | 'hold',
  { suspects = [], stepsLeft, interval, cause, ...given }: Given,
): Finding {
  const names = suspects.slice(0, 3).map((l) => header.connections[l].name);
  const connection = names[0] ?? null;
  const warning: Found = {
    run: header.run,
    step,
    time,
    connection,
    suspects: names,
    ...given,
    stepsLeft: wholeOrNull(stepsLeft),
    interval: interval === undefined ? null : [wholeOrNull(interval[0]) ?? 0, wholeOrNull(interval[1])],
    cause: { ...cause, connection },
  };
  return { level, warning };
}

const wholeOrNull = (steps: number | undefined): number | null =>
  steps === undefined || !Number.isFinite(steps) ? null : Math.round(steps);
