/** What the pipeline knows of a run that this process writes, as plain data. Changed by the files of this room only; sinks read it. */
import type { StepForecast } from '../../src/telemetry/answer.ts';
import type { Listing } from '../../src/telemetry/listing.ts';
import type { Outcome, StepReport } from '../../src/telemetry/report.ts';
import type { MonitorCounters, RunHeader } from '../../src/telemetry/sample.ts';
import type { SelfTestEntry } from '../../src/telemetry/selfTest.ts';
import type { AttemptOwner } from '../recorder/attempts.ts';
import type { Recording } from '../recorder/write.ts';
import type { DetectionState } from './detection.ts';

/**
 * What became of a report: it is in the recording; or nothing shall be recorded, so that nothing of it can be lost; or it was
 * given up, as the recording could not be written; or it can never be kept, however often it is sent.
 */
export type Committed = 'committed' | 'unrecorded' | 'dropped' | 'impossible';

/** A report that waits for its commit. */
export interface QueuedReport {
  readonly report: StepReport;
  /** Of the run when the report came. */
  readonly connections: Listing;
  readonly bytes: number;
  readonly resolve: (committed: Committed) => void;
  /** The sinks have it although it is not committed, or shall not have it. */
  shown: boolean;
}

/** Reports on their way to the recording, oldest first (commitQueue.ts). */
export interface CommitQueueState {
  entries: QueuedReport[];
  /** Of the next commit; null: nothing waits. */
  timer: NodeJS.Timeout | null;
  /** From a report to the next try, ms. */
  delayMs: number;
}

export interface LiveRun {
  /** Replaced where the run gets more connections (extendRun.ts). */
  header: RunHeader;
  /** What the sender found of its connections; null: nothing was sent. */
  selfTest: readonly SelfTestEntry[] | null;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Whose attempt it is, where another process or thread may go on with it; null: of this one alone. */
  readonly owner: AttemptOwner | null;
  /** null: not open, as nothing shall be recorded or as it refuses. */
  recording: Recording | null;
  /** Why nothing can be recorded now; null: all is well, or nothing shall be. */
  recordingProblem: string | null;
  attempt: number;
  /** Its number in the recording, once that was open; null: it was not. */
  recordedAttempt: number | null;
  /** null while it goes on. */
  outcome: Outcome | null;
  /** When the newest report came, by the monotonic clock, ms. */
  reportedAt: number;
  /** The highest step that the detectors have judged, or that was recorded before this process. */
  newestStep: number;
  /** How often its recording was taken away: what was stored before that is gone with it. */
  losses: number;
  /** The newest report that the sinks have. */
  last: StepReport | null;
  /** Of `last`; empty where the detectors did not see it, or have seen a later one since. */
  forecast: readonly StepForecast[];
  /** Of the attempt; NaN is no maximum once there is a number. */
  maxCompositeGain: number | null;
  readonly detection: DetectionState;
  /** What the training thread counted, as of its last message. */
  monitor: MonitorCounters;
  /** Errors and losses on this side of the thread boundary. */
  errors: number;
  dropped: number;
  readonly queue: CommitQueueState;
}
