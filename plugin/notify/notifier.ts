/**
 * Sends notices to their targets, each in its own queue: retried with back-off, bounded, never waited for by the run. What
 * cannot be delivered is counted and said. Notices of severity `info` are context and are not sent.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Sink } from '../pipeline/sinks.ts';
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
  /** Told of a try that failed and is made again. */
  onRetry?: (problem: string) => void;
  /** Of the first wait, ms; 1000 unless given. */
  firstWait?: number;
  /** Of one request, ms; 10,000 unless given. */
  timeout?: number;
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
      onWarning: (_run, record, what) => {
        if (record.warning.severity === 'info' || what === 'acknowledged') return;
        const notice = noticeOf(what, record);
        for (const queue of queues) queue.add(notice);
      },
    },
    close: async (milliseconds) => {
      const timer = setTimeout(() => stop.abort(), milliseconds);
      await Promise.all(queues.map((queue) => queue.end()));
      clearTimeout(timer);
    },
  };
}

function createQueue(target: Target, surroundings: Surroundings, signal: AbortSignal) {
  const waiting: Notice[] = [];
  let working: Promise<void> | null = null;
  /** Given up since the last one that arrived. */
  let lost = 0;
  /** Has it been said since then that it is not reached? */
  let said = false;
  const onRetry = (problem: string) => {
    if (!said) surroundings.onProblem(`notify ${target.shown}: ${problem}; trying again`);
    said = true;
  };
  const lose = (count: number, why: string) => {
    if (count > 0 && lost === 0) surroundings.onProblem(`notify ${target.shown}: a warning could not be sent: ${why}`);
    lost += count;
  };
  /** The first was said when it happened. */
  const sayLost = () => {
    if (lost > 1) surroundings.onProblem(`notify ${target.shown}: ${lost} warnings in all could not be sent`);
    lost = 0;
    said = false;
  };
  const work = async () => {
    for (let notice = waiting.shift(); notice !== undefined; notice = waiting.shift()) {
      const problem = await deliver(target, notice, { ...surroundings, onRetry }, signal);
      if (problem === null) sayLost();
      else lose(1, problem);
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
    end: async () => {
      await working;
      sayLost();
    },
  };
}

/** @returns why it could not be delivered, null where it was; never throws */
export async function deliver(
  target: Target,
  notice: Notice,
  { fetch, random, onRetry, firstWait = FIRST_WAIT, timeout = TIMEOUT }: Omit<Surroundings, 'onProblem'>,
  signal: AbortSignal,
): Promise<string | null> {
  let wait = firstWait;
  let problem = '';
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    // Not AbortSignal.timeout within AbortSignal.any: Node 20 may collect it before it fires.
    const request = new AbortController();
    const stop = () => request.abort(signal.reason);
    const timer = setTimeout(() => request.abort(new Error(`no answer within ${timeout} ms`)), timeout);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      const response = await fetch(target.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'gainwatch' },
        body: bodyFor(target, notice),
        redirect: 'manual', // following would turn it into a GET
        signal: request.signal,
      });
      await response.body?.cancel();
      if (response.ok) return null;
      problem = `it answers ${response.status}`;
      // Asking again does not make a refused request right.
      if (response.status < 500 && response.status !== 408 && response.status !== 429) return problem;
    } catch (error) {
      const { message, cause } = error as Error & { cause?: Error };
      if (!signal.aborted || problem === '') problem = cause?.message ?? message;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
    if (signal.aborted || attempt === TRIES) break;
    onRetry?.(problem);
    await pause(wait * (1 + random() / 2), undefined, { signal }).catch(() => {});
    wait = Math.min(LONGEST_WAIT, 2 * wait);
  }
  return problem;
}
