/** What goes between a watched run and the worker: samples there; gains, warnings (on to the user's onWarning) and problems back. */
import type { ConnectionInfo, StepSample } from '../../src/telemetry/sample.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import { post, postSample } from '../worker/client.ts';
import type { ToRun } from '../worker/workerMessages.ts';
import type { MonitorState } from './monitorState.ts';

/**
 * Posts a step's sample, after the run's header where it is the first or there are more connections than before; one that cannot be
 * posted is counted as dropped.
 */
export function deliverSample(state: MonitorState, sample: StepSample, streams: number, connections: readonly ConnectionInfo[]): void {
  const { client, id, settings, probe } = state;
  const { run, key, tokens } = settings;
  if (state.connections !== connections) {
    state.connections = connections;
    post(client, { type: 'open', id, header: { run, streams, tokens, connections: [...connections] }, source: state.attempt, key });
  }
  if (postSample(client, { type: 'step', id, sample })) return;
  probe.counters.samplesDropped++;
  if (client.state !== 'running') return; // it died, which was said
  if (!state.queueWasFull) probe.counters.errors++;
  state.queueWasFull = true;
  state.warnOnce('queue', `run ${run}: the monitor's thread does not keep up: samples are dropped and counted`);
}

/** May be called at any time; the user's onWarning is not called within a step. */
export function handleMessage(state: MonitorState, message: ToRun): void {
  const { warnings, probe } = state;
  switch (message.type) {
    case 'reported':
      state.compositeGain = message.compositeGain;
      break;
    case 'warning': {
      const { what, record } = message;
      if (what === 'raised') {
        if (!isTold(warnings.get(record.id), record)) state.pendingWarnings.push(record.warning);
      } else if (!warnings.has(record.id)) return; // of an earlier process: raised before watch()
      warnings.set(record.id, record);
      if (!state.inStep) emitWarnings(state);
      break;
    }
    case 'renamed':
      state.run = message.run;
      break;
    case 'closed':
      state.closed.resolve();
      break;
    case 'died':
      probe.counters.errors++;
      probe.counters.samplesDropped += message.lost;
      if (message.isLast) state.closed.resolve();
      state.settings.log(message.message);
      break;
    case 'problem':
      state.settings.log(message.message);
  }
}

/** A worker that was started anew may raise again what it raised just before it died. */
const isTold = (known: WarningRecord | undefined, { warning }: WarningRecord): boolean =>
  known !== undefined && known.clearedTime === null && known.warning.rule === warning.rule && known.warning.severity === warning.severity;

/** Gives what is pending to onWarning, oldest first. What it throws, or its promise rejects with, is reported once. */
export function emitWarnings(state: MonitorState): void {
  const { run, onWarning } = state.settings;
  for (const warning of state.pendingWarnings.splice(0)) {
    const onFailure = (error: unknown) =>
      state.warnOnce(
        'onWarning',
        `run ${run}: onWarning failed at ${warning.rule}: ${error instanceof Error ? error.message : String(error)}`,
      );
    try {
      const result: unknown = onWarning?.(warning);
      if (isPromise(result)) result.then(undefined, onFailure); // an unhandled rejection would end the process
    } catch (error) {
      onFailure(error);
    }
  }
}

/** Can it be awaited? */
export const isPromise = (value: unknown): value is Promise<unknown> => typeof (value as Promise<unknown> | null)?.then === 'function';
