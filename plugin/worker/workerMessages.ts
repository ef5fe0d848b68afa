/** The messages between the training thread and its worker (worker.ts, or ../sender/sender.ts). Types only. */
import type { MessagePort } from 'node:worker_threads';
import type { Outcome } from '../../src/telemetry/report.ts';
import type { MonitorCounters, RunHeader, StepSample } from '../../src/telemetry/sample.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import type { WarningChange } from '../pipeline/detection.ts';
import type { ServiceOptions } from '../service.ts';

/** What the worker is started with (workerData). */
export interface WorkerOptions extends Omit<ServiceOptions, 'now' | 'onProblem' | 'rankLabel'> {
  /** Of a monitor in another process, with a slash at its end: sent there instead of served here; null: served here. */
  url: string | null;
  /** Shared with the training thread: [0] samples taken in so far, [1] those of which nothing waits in the worker any more. */
  progress: SharedArrayBuffer;
  /** The worker's end of the way to the training thread. */
  channel: MessagePort;
}

/** Training thread → worker. `id` tells the watched runs of the process apart. */
export type ToWorker =
  /**
   * Begins a run, or tells that its samples have more connections from now on. `source`: name of the attempt, with which a thread that is
   * started anew goes on in it. `key`: of the training, for another process's monitor.
   */
  | { type: 'open'; id: number; header: RunHeader; source: string; key: string }
  | { type: 'step'; id: number; sample: StepSample }
  /** The run ends; its metrics stay `lingerSeconds` longer, then `closed` is answered. */
  | { type: 'close'; id: number; outcome: Outcome; lingerSeconds: number; monitor: MonitorCounters }
  /** Commit everything, close server and files, and exit. */
  | { type: 'shutdown' };

/** Worker → training thread. */
export type FromWorker =
  | { type: 'listening'; url: string; note: string | null }
  /** The server could not be started (port taken …): a message for the user. */
  | { type: 'refused'; message: string }
  /** A step went through: its composite gain. */
  | { type: 'reported'; id: number; compositeGain: number }
  /** A warning of the run changed, and how it is now. */
  | { type: 'warning'; id: number; what: WarningChange; record: WarningRecord }
  | { type: 'closed'; id: number }
  /** The run goes on in another training: this one is sent under another name. */
  | { type: 'renamed'; id: number; run: string }
  /** Something the user should read: recording off, disk full … */
  | { type: 'problem'; message: string };

/** What a watched run is told: what the worker says, or that it died (`lost`: samples that went with it; `isLast`: it stays dead). */
export type ToRun =
  | Exclude<FromWorker, { type: 'listening' | 'refused' }>
  | { type: 'died'; message: string; isLast: boolean; lost: number };
