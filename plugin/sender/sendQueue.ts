/**
 * What waits to be sent to a monitor of another process, and the sending: in batches, packed, again and again while the monitor is
 * away, in order. Bounded: the oldest step is given up first, and counted. Blocks nobody. What an answer means is monitorRequest.ts's.
 *
 *   waits ──flush──► on its way ──done──► gone          refused, of several: once more in halves; of one: dropped and counted
 *     ▲                  │ later: back off, or as Retry-After says
 *     └──────────────────┴ the run goes on in another training: asked for now and then, at last sent as the name that is free
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { StepsAnswer } from '../../src/telemetry/api.ts';
import type { Outcome } from '../../src/telemetry/report.ts';
import { backOff, spread } from '../retry.ts';
import { stopTimer } from '../timers.ts';
import { encodeBatch } from '../wire/encode.ts';
import { hasCounts, type RequestOptions, requestMonitor, type Sent } from './monitorRequest.ts';
import { FLUSH_DELAY_MS, goOver, isClosing, noteDone, noteTaken, reportLoss, type SendQueue, warn } from './sendQueueState.ts';

/** Our choice: what a training process can spare. */
const MAX_WAITING_BYTES = 256 * 2 ** 20;
/** Of one request: a quarter of what the monitor takes (openapi.yaml, 413). */
const MAX_BATCH_BYTES = 4 * 2 ** 20;
/** Half of MAX_STEPS in plugin/wire. */
const MAX_BATCH_STEPS = 512;
/** After failures. Our choice. */
const MAX_RETRY_DELAY_MS = 30_000;
/** Of one request: twice what the monitor waits for other ranks before it answers. */
const REQUEST_TIMEOUT_MS = 40_000;

/** How long sending may go on when the run ends, and what of it is kept for a last try. Our choice: less than monitor/close.ts waits. */
const DRAIN_MS = 8000;
const LAST_TRY_MS = 1000;
/** The same, where the monitor is tried again meanwhile. */
const MAX_CLOSING_DELAY_MS = 1000;
/** The same, where the name that was free is so no more. */
const CLOSING_ASK_MS = 200;

/** Adds a step, to be sent half a second later with those that come meanwhile. @param body as `encodeStep` gives it */
export function push(queue: SendQueue, body: Buffer): void {
  queue.waiting.push(body);
  queue.waitingBytes += body.length;
  while (queue.waitingBytes > MAX_WAITING_BYTES) {
    removeFirst(queue);
    queue.dropped++;
  }
  schedule(queue);
}

function schedule(queue: SendQueue): void {
  if (queue.sending !== null || isClosing(queue)) return;
  queue.timer ??= setTimeout(() => flush(queue), Math.max(FLUSH_DELAY_MS, queue.notBefore - performance.now()));
}

function removeFirst(queue: SendQueue): void {
  queue.waitingBytes -= queue.waiting.shift()!.length;
}

/** Sends what waits, as much as it can. Never rejects. */
function flush(queue: SendQueue): Promise<void> {
  stopTimer(queue);
  queue.sending ??= sendAll(queue)
    .catch((error: unknown) => warn(queue, `steps cannot be sent: ${(error as Error).message}`))
    .finally(() => {
      queue.sending = null;
      if (queue.waiting.length > 0) schedule(queue);
    });
  return queue.sending;
}

async function sendAll(queue: SendQueue): Promise<void> {
  const { taken } = queue;
  if (taken !== null && (isClosing(queue) || performance.now() - taken.since >= queue.limits.overMs)) goOver(queue, taken.free);
  while (queue.waiting.length > 0) {
    // To ask whether the run is free, one step is enough.
    const isSent = await sendBatch(queue, firstBatch(queue.waiting, queue.taken === null ? MAX_BATCH_STEPS : 1));
    if (!isSent) return;
  }
}

/** @returns false: the first of the batch, which is the queue's, has to wait */
async function sendBatch(queue: SendQueue, batch: readonly Buffer[]): Promise<boolean> {
  const body = encodeBatch(batch);
  const sent = await ask(queue, '/steps', { method: 'POST', body, type: 'application/vnd.gainwatch.batch', isAnswer: isStepsAnswer });
  if (sent.what === 'later' || sent.what === 'taken') return false;
  if (sent.what === 'refused' && batch.length > 1) {
    // One of them is refused: the others are not to be lost with it.
    const half = batch.length >> 1;
    return (await sendBatch(queue, batch.slice(0, half))) && (await sendBatch(queue, batch.slice(half)));
  }
  let gone = 0;
  for (const step of batch) {
    if (queue.waiting[0] !== step) continue; // given up meanwhile
    removeFirst(queue);
    gone++;
  }
  if (sent.what === 'refused') {
    queue.dropped += gone;
    reportLoss(queue, sent.kind, `${sent.problem}; ${gone} step is lost, and so is each that is refused so (said once)`);
    return true;
  }
  const late = Math.min(sent.answer.late, gone); // a monitor of before takes them with 200
  queue.dropped += late;
  if (late > 0)
    reportLoss(queue, 'late', `${late} steps came after theirs was put together without them, or their attempt had ended: they are lost`);
  queue.onAnswer(sent.answer);
  return true;
}

type Asked<T> = Pick<RequestOptions<T>, 'method' | 'body' | 'type' | 'isAnswer'>;

/** One request for the run; what its answer says of the next one is noted. */
async function ask<T>(queue: SendQueue, tail: string, asked: Asked<T>): Promise<Sent<T>> {
  const timeoutMs = Math.max(1, Math.min(REQUEST_TIMEOUT_MS, queue.deadline - performance.now()));
  const { run, monitor, key, stop } = queue;
  const sent = await requestMonitor(monitor, `api/v1/runs/${run}${tail}`, { ...asked, key, timeoutMs, signal: stop.signal });
  const now = performance.now();
  if (sent.what === 'taken') {
    // Without steps another name would hold an empty run, and the same name is none: refused.
    if (queue.waiting.length === 0 || sent.free === run) return { ...sent, what: 'refused', kind: '409 run' };
    noteTaken(queue, sent.problem, sent.free);
    queue.notBefore = now + (isClosing(queue) ? CLOSING_ASK_MS : spread(queue.limits.askMs, Math.random()));
  } else if (sent.what === 'later') {
    queue.delayMs = backOff(queue.delayMs, isClosing(queue) ? MAX_CLOSING_DELAY_MS : MAX_RETRY_DELAY_MS);
    queue.notBefore = now + spread(sent.retryAfterMs ?? queue.delayMs, Math.random());
    warn(queue, `${sent.problem}; trying again, nothing is lost as long as ${MAX_WAITING_BYTES / 2 ** 20} MiB suffice`);
  } else {
    queue.delayMs = FLUSH_DELAY_MS;
    if (sent.what === 'done') noteDone(queue);
  }
  return sent;
}

/** Sends what waits and that the run has ended, for DRAIN_MS at most, and stops. @returns how many steps did not reach the monitor */
export async function closeSendQueue(queue: SendQueue, attempt: string, outcome: Outcome): Promise<number> {
  stopTimer(queue);
  queue.deadline = performance.now() + DRAIN_MS;
  const timer = setTimeout(() => queue.stop.abort(new Error('the training has ended')), DRAIN_MS);
  await queue.sending;
  if (queue.taken !== null) queue.notBefore = 0; // goes over to the free name at once
  const body = JSON.stringify({ state: 'closed', attempt, outcome, rank: 0, world_size: 1 });
  const state: Asked<object> = { method: 'PUT', body, type: 'application/json', isAnswer: isRunAnswer };
  await drain(queue, async () => {
    await flush(queue);
    if (queue.waiting.length > 0) return false;
    const told = await ask(queue, '', state);
    if (told.what === 'refused') reportLoss(queue, told.kind, `${told.problem}; its end is not known there`);
    return told.what !== 'later';
  });
  clearTimeout(timer);
  return queue.waiting.length + queue.dropped;
}

/** Tries until it is done, as the answers ask, and a last time shortly before the deadline. */
async function drain(queue: SendQueue, act: () => Promise<boolean>): Promise<void> {
  const last = queue.deadline - LAST_TRY_MS;
  for (;;) {
    const wait = Math.min(queue.notBefore, last) - performance.now();
    if (wait > 0) await pause(wait);
    if ((await act()) || performance.now() >= last) return;
  }
}

function firstBatch(waiting: readonly Buffer[], most: number): Buffer[] {
  let bytes = 0;
  const end = waiting.findIndex((body, i) => {
    bytes += body.length;
    return i === most || (i > 0 && bytes > MAX_BATCH_BYTES);
  });
  return waiting.slice(0, end < 0 ? undefined : end);
}

const isStepsAnswer = (answer: unknown): answer is StepsAnswer =>
  hasCounts(answer, ['accepted', 'duplicates', 'late']) && Array.isArray((answer as Partial<StepsAnswer>).warnings);
const isRunAnswer = (answer: unknown): answer is object => typeof (answer as { run?: unknown } | null)?.run === 'string';
