/**
 * What waits to be sent to a monitor of another process, and the sending: in batches, packed, again and again while the monitor is
 * away, in order. Bounded: the oldest step is given up first, and counted. Blocks nobody.
 */
import { gzip } from 'node:zlib';
import type { StepsAnswer } from '../../src/telemetry/api.ts';
import { encodeBatch } from '../wire/encode.ts';

/** Bytes that wait. */
const WAITING_AT_MOST = 256 * 2 ** 20;
/** Of one request: a quarter of what the monitor takes. */
const BATCH_AT_MOST = 4 * 2 ** 20;
const STEPS_AT_MOST = 512;
/** Between two batches, ms; twice as long after each failure, up to the last. */
const FLUSH_AFTER = 500;
const RETRY_AT_MOST = 30_000;
/** How long one request may take, ms: the monitor waits for other ranks before it answers. */
const REQUEST_AT_MOST = 40_000;

export interface Target {
  /** Of the monitor, with a slash at its end. */
  readonly url: string;
  readonly token: string | null;
}

export interface SendQueue {
  readonly run: string;
  readonly target: Target;
  /** Steps, oldest first; all of one attempt. */
  readonly waiting: Buffer[];
  bytes: number;
  /** Given up, as they did not fit or the monitor refused them. */
  dropped: number;
  sending: Promise<void> | null;
  timer: NodeJS.Timeout | null;
  retryAfter: number;
  closed: boolean;
  readonly onAnswer: (answer: StepsAnswer) => void;
  /** Told of each kind of trouble once, and when it is over. */
  readonly onProblem: (message: string) => void;
  trouble: string | null;
}

export function createQueue(options: Pick<SendQueue, 'run' | 'target' | 'onAnswer' | 'onProblem'>): SendQueue {
  return {
    ...options,
    waiting: [],
    bytes: 0,
    dropped: 0,
    sending: null,
    timer: null,
    retryAfter: FLUSH_AFTER,
    closed: false,
    trouble: null,
  };
}

export function push(queue: SendQueue, body: Buffer): void {
  queue.waiting.push(body);
  queue.bytes += body.length;
  while (queue.bytes > WAITING_AT_MOST) giveUp(queue, 1);
  queue.timer ??= setTimeout(() => flush(queue), queue.retryAfter);
}

function giveUp(queue: SendQueue, count: number): void {
  for (const body of queue.waiting.splice(0, count)) queue.bytes -= body.length;
  queue.dropped += count;
}

/** Sends what waits, as much as it can. Never rejects. */
export function flush(queue: SendQueue): Promise<void> {
  if (queue.timer !== null) clearTimeout(queue.timer);
  queue.timer = null;
  queue.sending ??= sendAll(queue)
    .catch((error: unknown) => say(queue, `the answer of ${queue.target.url} cannot be read: ${(error as Error).message}`))
    .finally(() => {
      queue.sending = null;
      if (queue.waiting.length > 0 && !queue.closed) queue.timer ??= setTimeout(() => flush(queue), queue.retryAfter);
    });
  return queue.sending;
}

async function sendAll(queue: SendQueue): Promise<void> {
  while (queue.waiting.length > 0 && !queue.closed) {
    const batch = firstOf(queue.waiting);
    const body = await packed(encodeBatch(batch));
    const answer = await ask(queue.target, 'POST', `api/v1/runs/${queue.run}/steps`, body, 'application/vnd.gainwatch.batch');
    if (answer.again) {
      queue.retryAfter = Math.min(RETRY_AT_MOST, queue.retryAfter * 2);
      say(queue, `${answer.why}; trying again, nothing is lost as long as ${WAITING_AT_MOST / 2 ** 20} MiB suffice`);
      return;
    }
    queue.retryAfter = FLUSH_AFTER;
    // Meanwhile the oldest may have been given up.
    const sent = batch.filter((one) => queue.waiting[0] === one && take(queue));
    if (answer.json === null) {
      queue.dropped += sent.length;
      say(queue, `${answer.why}; ${sent.length} steps are lost`);
    } else {
      if (queue.trouble !== null) queue.onProblem(`run ${queue.run}: ${queue.target.url} takes steps again`);
      queue.trouble = null;
      queue.onAnswer(answer.json as StepsAnswer);
    }
  }
}

function take(queue: SendQueue): boolean {
  queue.bytes -= queue.waiting.shift()!.length;
  return true;
}

function say(queue: SendQueue, message: string): void {
  if (queue.trouble === message) return;
  queue.trouble = message;
  queue.onProblem(`run ${queue.run}: ${message}`);
}

function firstOf(waiting: readonly Buffer[]): Buffer[] {
  let bytes = 0;
  const end = waiting.findIndex((body, i) => {
    bytes += body.length;
    return i === STEPS_AT_MOST || (i > 0 && bytes > BATCH_AT_MOST);
  });
  return waiting.slice(0, end < 0 ? undefined : end);
}

const packed = (body: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    gzip(body, { level: 1 }, (error, result) => (error === null ? resolve(result) : reject(error)));
  });

export interface Asked {
  /** Of a 2xx. */
  json: unknown;
  /** To be sent once more, later. */
  again: boolean;
  why: string;
}

/** One request. Never rejects. */
export async function ask(target: Target, method: 'PUT' | 'POST', path: string, body: Buffer | string, type: string): Promise<Asked> {
  const address = target.url + path;
  try {
    const headers: Record<string, string> = { 'Content-Type': type, 'Gainwatch-Version': '1' };
    if (typeof body !== 'string') headers['Content-Encoding'] = 'gzip';
    if (target.token !== null) headers['Authorization'] = `Bearer ${target.token}`;
    const signal = AbortSignal.timeout(REQUEST_AT_MOST);
    const sent = typeof body === 'string' ? body : new Uint8Array(body);
    const response = await fetch(address, { method, headers, body: sent, signal, redirect: 'manual' });
    if (response.ok) return { json: await response.json(), again: false, why: '' };
    const said = (await response.text()).slice(0, 300);
    const again = response.status === 429 || response.status >= 500 || response.status === 408;
    return { json: null, again, why: `${address} answers ${response.status}: ${said}` };
  } catch (error) {
    const { cause, message } = error as Error;
    return { json: null, again: true, why: `${address} cannot be reached: ${cause instanceof Error ? cause.message : message}` };
  }
}
