/** What a detector is: a state that accumulates with the reports, and apart from that the judgement on it. Types only. */
import type { StepReport } from '../src/telemetry/report.ts';
import type { RunHeader } from '../src/telemetry/sample.ts';
import type { RuleName } from '../src/telemetry/warning.ts';
import type { Finding, Patience } from './latch.ts';
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
  /** The state before the first report: plain data, NaN and ±Infinity allowed. */
  create(header: RunHeader): State;
  /** Takes the report in. Changes its own state and nothing else. */
  update(state: State, view: View): void;
  /** What it finds after the update. Changes nothing. */
  judge(state: State, view: View): Finding;
}
