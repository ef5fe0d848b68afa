/** Those who are shown what happens in the pipeline (metrics, live stream, notices, the training thread), and the guarded call to them. */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import type { WarnOnce } from '../warnOnce.ts';
import type { WarningChange } from './detection.ts';
import type { LiveRun } from './liveRun.ts';

/** Is called for what it has a function for. The run's state is already that after the event. */
export interface Sink {
  /** A run was opened, or goes on in a new attempt. */
  onOpen?(run: LiveRun): void;
  /** A run has more connections by now, or other kinds of them: those of reports too, from the next one on. */
  onExtend?(run: LiveRun, before: RunHeader): void;
  /** A report was committed, or is shown uncommitted as nothing can be written. */
  onStep?(run: LiveRun, report: StepReport): void;
  onWarning?(run: LiveRun, record: WarningRecord, change: WarningChange): void;
  onClose?(run: LiveRun): void;
  /** Its metrics go, except for the outcome. */
  onForget?(run: LiveRun): void;
}

/** The part of a pipeline that its sinks need. */
export interface SinkContext {
  readonly sinks: Set<Sink>;
  readonly warnOnce: WarnOnce;
}

/** Calls each sink. One that throws is counted as an error of the run, warned of once, and disturbs no other. */
export function emit({ sinks, warnOnce }: SinkContext, run: LiveRun, call: (sink: Sink) => void): void {
  for (const sink of sinks) {
    try {
      call(sink);
    } catch (error) {
      run.errors++;
      warnOnce('sink', `a step could not be shown: ${(error as Error).message}`);
    }
  }
}
