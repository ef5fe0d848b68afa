/**
 * Sends notices to their targets, each in its own queue: retried with back-off, bounded, never waited for by the run. What
 * cannot be delivered is counted and said. Notices of severity `info` are context and are not sent.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Sink } from '../pipeline.ts';
import { bodyFor, type Notice, noticeOf, type Target } from './target.ts';

/** Of one request, ms. */
const TIMEOUT = 10_000;
/** Waits between tries, ms: doubled each time, up to the last, with up to half more by chance. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 60_000;
const TRIES = 8;
/** Notices that wait for one target; then the oldest are given up. */
const WAITING_AT_MOST = 100;

export interface Surroundings {
  fetch: typeof fetch;
  random: () => number;
  /** Told of what could not be delivered. */
  onProblem: (message: string) => void;
  /** Of the first wait, ms; 1000 unless given. */
  firstWait?: number;
}

export interface Notifier {
  readonly sink: Sink;
  /** Lets what is on its way arrive, at most so long; what is left then is given up and said. */
  close(milliseconds: number): Promise<void>;
}

export function createNotifier(targets: readonly Target[], surroundings: Surroundings): Notifier {
  const stop = new AbortController();
  const queues = targets.map((target) => createQueue(target, surroundings, stop.signal));
  return {
    sink: {
      warned: (_run, record, what) => {
        if (record.warning.severity === 'info') return;
        const notice = noticeOf(what, record);
        for (const queue of queues) queue.add(notice);
      },
    },
    close: async (milliseconds) => {
      const timer = setTimeout(() => stop.abort(), milliseconds);
      await Promise.all(queues.map((queue) => queue.idle()));
      clearTimeout(timer);
    },
  };
}

function createQueue(target: Target, surroundings: Surroundings, signal: AbortSignal) {
  const waiting: Notice[] = [];
  let working: Promise<void> | null = null;
  let lost = 0;
  const lose = (count: number, why: string) => {
    if (count > 0 && lost === 0) surroundings.onProblem(`notify ${target.shown}: ${count} of the warnings could not be sent: ${why}`);
    lost += count;
  };
  const work = async () => {
    for (let notice = waiting.shift(); notice !== undefined; notice = waiting.shift()) {
      const problem = await deliver(target, notice, surroundings, signal);
      if (problem !== null) lose(1, problem);
      if (signal.aborted) lose(waiting.splice(0).length, 'the run has ended');
    }
    working = null;
  };
  return {
    add: (notice: Notice) => {
      waiting.push(notice);
      if (waiting.length > WAITING_AT_MOST) lose(waiting.splice(0, waiting.length - WAITING_AT_MOST).length, 'too many are waiting');
      working ??= work();
    },
    idle: () => working ?? Promise.resolve(),
  };
}

/** @returns why it could not be delivered, null where it was; never throws */
export async function deliver(
  target: Target,
  notice: Notice,
  { fetch, random, firstWait = FIRST_WAIT }: Surroundings,
  signal: AbortSignal,
): Promise<string | null> {
  let wait = firstWait;
  let problem = '';
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    try {
      const response = await fetch(target.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'gainwatch' },
        body: bodyFor(target, notice),
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
      });
      await response.body?.cancel();
      if (response.ok) return null;
      problem = `it answers ${response.status}`;
      // Asking again does not make a refused request right.
      if (response.status >= 400 && response.status < 500 && response.status !== 408 && response.status !== 429) return problem;
    } catch (error) {
      const { message, cause } = error as Error & { cause?: Error };
      problem = cause?.message ?? message;
    }
    if (signal.aborted || attempt === TRIES) break;
    await pause(wait * (1 + random() / 2), undefined, { signal, ref: false }).catch(() => {});
    wait = Math.min(LONGEST_WAIT, 2 * wait);
  }
  return problem;
}
