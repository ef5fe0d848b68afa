/**
 * Sends notices to their targets, each in its own queue: retried with back-off, bounded, never waited for by the run. What
 * cannot be delivered is counted and reported. Notices of severity `info` are context and are not sent.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Sink } from '../pipeline/sinks.ts';
import { backOff, spread, tryRequest } from '../retry.ts';
import { bodyFor, type Notice, noticeOf, type Target } from './target.ts';

/** Of one request. Our choice. */
const TIMEOUT_MS = 10_000;
/** Waits between tries: doubled each time, up to the last, longer where the target asks for it. Our choice: two minutes in all. */
const MIN_WAIT_MS = 1000;
const MAX_WAIT_MS = 60_000;
const MAX_TRIES = 8;
/** Notices that wait for one target; then the oldest are given up. Our choice: more than one run raises. */
const MAX_WAITING = 100;

export interface NotifierContext {
  fetch: typeof fetch;
  random: () => number;
  /** Gets what could not be delivered, and why. */
  onProblem: (message: string) => void;
  /** Gets why a try failed that is made again. */
  onRetry?: (problem: string) => void;
  /** Of the first wait, ms; 1000 unless given. */
  firstWait?: number;
  /** Of one request, ms; 10,000 unless given. */
  timeout?: number;
}

export interface Notifier {
  readonly sink: Sink;
  /** Lets what is on its way arrive, at most so long; what is left then is given up and reported. */
  close(milliseconds: number): Promise<void>;
}

/** A sink that sends each warning that is raised or ends to every target. */
export function createNotifier(targets: readonly Target[], context: NotifierContext): Notifier {
  const stop = new AbortController();
  const queues = targets.map((target) => createQueue(target, context, stop.signal));
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

function createQueue(target: Target, context: NotifierContext, signal: AbortSignal) {
  const waiting: Notice[] = [];
  let working: Promise<void> | null = null;
  /** Given up since the last one that arrived. */
  let lost = 0;
  /** Has the user been warned since then that it is not reached? */
  let warned = false;
  const onRetry = (problem: string) => {
    if (!warned) context.onProblem(`notify ${target.shown}: ${problem}; trying again`);
    warned = true;
  };
  const lose = (count: number, why: string) => {
    if (count > 0 && lost === 0) context.onProblem(`notify ${target.shown}: a warning could not be sent: ${why}`);
    lost += count;
  };
  /** The first was reported when it happened. */
  const reportLost = () => {
    if (lost > 1) context.onProblem(`notify ${target.shown}: ${lost} warnings in all could not be sent`);
    lost = 0;
    warned = false;
  };
  const work = async () => {
    for (let notice = waiting.shift(); notice !== undefined; notice = waiting.shift()) {
      const problem = await deliver(target, notice, { ...context, onRetry }, signal);
      if (problem === null) reportLost();
      else lose(1, problem);
      if (signal.aborted) lose(waiting.splice(0).length, 'the run has ended');
    }
    working = null;
  };
  return {
    add: (notice: Notice) => {
      waiting.push(notice);
      if (waiting.length > MAX_WAITING) lose(waiting.splice(0, waiting.length - MAX_WAITING).length, 'too many are waiting');
      working ??= work();
    },
    end: async () => {
      await working;
      reportLost();
    },
  };
}

/** Posts one notice, again where that may help. @returns why it could not be delivered, null where it was; never throws */
export async function deliver(
  target: Target,
  notice: Notice,
  { fetch, random, onRetry, firstWait = MIN_WAIT_MS, timeout = TIMEOUT_MS }: Omit<NotifierContext, 'onProblem'>,
  signal: AbortSignal,
): Promise<string | null> {
  const headers = { 'content-type': 'application/json', 'user-agent': 'gainwatch' };
  const init = { method: 'POST', headers, body: bodyFor(target, notice) };
  const discard = async ({ body }: Response) => body?.cancel();
  let wait = firstWait;
  let problem = '';
  for (let attempt = 1; attempt <= MAX_TRIES; attempt++) {
    const tried = await tryRequest(target.url, init, discard, { fetch, timeoutMs: timeout, signal });
    if (tried.isOk) return null;
    if (tried.status !== null) problem = `it answers ${tried.status}`;
    else if (!signal.aborted || problem === '') problem = tried.problem;
    if (!tried.isRetriable || signal.aborted || attempt === MAX_TRIES) break;
    onRetry?.(problem);
    await pause(spread(Math.max(wait, Math.min(tried.retryAfterMs ?? 0, MAX_WAIT_MS)), random()), undefined, { signal }).catch(() => {});
    wait = backOff(wait, MAX_WAIT_MS);
  }
  return problem;
}
