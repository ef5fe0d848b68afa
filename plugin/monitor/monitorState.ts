/**
 * What a watched run holds on the training thread between its steps. Plain data: what changes it is beside this file, what it looks
 * at is the probe's.
 */
import { randomUUID } from 'node:crypto';
import type { ConnectionInfo } from '../../src/telemetry/sample.ts';
import type { Warning, WarningRecord } from '../../src/telemetry/warning.ts';
import type { ProbeState } from '../probe/probeState.ts';
import type { Signals } from '../signals.ts';
import { createWarnOnce, type WarnOnce } from '../warnOnce.ts';
import type { WatchSettings } from '../watchOptions.ts';
import type { WorkerClient } from '../worker/client.ts';

export interface MonitorState {
  readonly settings: WatchSettings;
  readonly client: WorkerClient;
  readonly probe: ProbeState;
  /** Name of the attempt: a worker that is started anew goes on in it. */
  readonly attempt: string;
  /** The run's number in the worker. */
  id: number;
  /** Its name, another than the setting where the monitor has a run of another training by that name. */
  run: string;
  signals: Signals;
  /** As the worker knows them; null: the run is not open yet. */
  connections: readonly ConnectionInfo[] | null;
  /** G of the newest step that came back. */
  compositeGain: number | null;
  /** By their id. */
  readonly warnings: Map<number, WarningRecord>;
  /** Raised, and not given to the user's onWarning yet. */
  readonly pendingWarnings: Warning[];
  /** Writes to the user's log, for each key once. */
  readonly warnOnce: WarnOnce;
  /** Was a sample dropped already since the worker's queue was full? */
  queueWasFull: boolean;
  /** Does a step of the training run at the moment? */
  inStep: boolean;
  /** Did the last step throw? */
  lastFailed: boolean;
  /** Resolves when the worker has closed the run, or is dead. */
  readonly closed: { readonly promise: Promise<void>; readonly resolve: () => void };
  /** null: close() was not called yet. */
  closing: Promise<void> | null;
}

/** Our choice: more faults than these would be noise. */
const MAX_REPORTED_FAULTS = 10;

/** The run before its first step, without its number and its signals. */
export function createMonitorState(settings: WatchSettings, client: WorkerClient, probe: ProbeState): MonitorState {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return {
    settings,
    client,
    probe,
    attempt: randomUUID(),
    id: -1,
    run: settings.run,
    signals: { stepped: () => {}, dispose: () => {} },
    connections: null,
    compositeGain: null,
    warnings: new Map(),
    pendingWarnings: [],
    warnOnce: createWarnOnce(settings.log, MAX_REPORTED_FAULTS),
    queueWasFull: false,
    inStep: false,
    lastFailed: false,
    closed: { promise, resolve },
    closing: null,
  };
}
