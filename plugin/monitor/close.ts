/** The end of a watched run: hooks off, what is on its way delivered, the run closed in the worker. */
import type { Outcome } from '../../src/telemetry/report.ts';
import { detachProbe } from '../probe/probe.ts';
import { within } from '../timers.ts';
import { post, release } from '../worker/client.ts';
import type { MonitorState } from './monitorState.ts';

export interface CloseOptions {
  /** How long the last values stay to be scraped, seconds; 0 unless given. */
  lingerSeconds?: number;
  /** `completed` unless given, or `failed` where the last step threw. */
  outcome?: Outcome;
}

/** How long the worker may take to commit the rest and end, seconds. Our choice: longer than a sender goes on sending (8 s). */
const MAX_CLOSE_SECONDS = 10;
/** 23 days: a timer takes no more than 2^31 ms. */
export const MAX_LINGER_SECONDS = 2e6;

/** Monitor.close: the first call counts, every call resolves when all is done. Never rejects. */
export function closeOnce(state: MonitorState, options: CloseOptions = {}): Promise<void> {
  const { run, log } = state.settings;
  state.closing ??= close(state, options).catch((error: Error) => log(`run ${run}: ${error.message}`));
  return state.closing;
}

async function close(state: MonitorState, options: CloseOptions): Promise<void> {
  const { client, id, probe } = state;
  const { lingerSeconds = 0, outcome = state.lastFailed ? 'failed' : 'completed' } = options;
  state.signals.dispose();
  detachProbe(probe);
  await Promise.allSettled([...probe.reads]);
  const linger = Math.min(lingerSeconds, MAX_LINGER_SECONDS);
  if (client.state !== 'ended' && state.connections !== null) {
    post(client, { type: 'close', id, outcome, lingerSeconds: linger, monitor: { ...probe.counters } });
    await within(state.closed.promise, (linger + MAX_CLOSE_SECONDS) * 1000, undefined);
  }
  await release(client, id, MAX_CLOSE_SECONDS);
}
