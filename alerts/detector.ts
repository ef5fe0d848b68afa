/**
 * What a detector is: a state that accumulates with the reports, and apart from that the judgement on it. And what it finds: all
 * that a warning carries but its rule and message.
 */
import type { StepReport } from '../src/telemetry/report.ts';
import type { RunHeader } from '../src/telemetry/sample.ts';
import type { CauseFacts, RuleName, Warning } from '../src/telemetry/warning.ts';
import type { SharedState } from './shared.ts';

/** What a detector is shown at a report. */
export interface View {
  header: RunHeader;
  report: StepReport;
  /** With the report in it. */
  shared: SharedState;
  /** Above 1 warns of the gain earlier and more often, below 1 later. */
  sensitivity: number;
}

export interface Detector<State = unknown> {
  rule: RuleName;
  /** Tells detectors of one rule apart; none where there is one. */
  limit?: string;
  patience: Patience;
  /** The state before the first report: plain data, NaN and ±Infinity allowed; null where left out. */
  create?(header: RunHeader): State;
  /** Takes the report in. Changes its own state and nothing else. */
  update?(state: State, view: View): void;
  /** The run has more connections by now, or other kinds of them: what it knows of each goes with its name. Changes its own state. */
  move?(state: State, before: RunHeader, after: RunHeader): void;
  /** What it finds after the update. Changes nothing. */
  judge(state: State, view: View): Finding;
}

/** Steps that must fire in a row before a warning is raised, and that must find nothing before it ends; 1: at once. */
export interface Patience {
  confirm: number;
  clear: number;
}

/** What a detector sees at one step: a warning to raise, one to hold if it is up already, or nothing. */
export type Finding = { level: 'fire' | 'hold'; warning: Found } | null;

/** A warning before it is raised: the rule and its words come then. */
export type Found = Omit<Warning, 'rule' | 'runbook' | 'message'>;

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
