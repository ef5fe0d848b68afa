/**
 * What waits to be sent to a monitor of another process, and the sending: in batches, packed, again and again while the monitor is
 * away, in order. Bounded: the oldest step is given up first, and counted. Blocks nobody.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { StepsAnswer } from '../../src/telemetry/api.ts';
import { backOff, type TriedRequest, tryRequest } from '../retry.ts';
import { stopTimer } from '../timers.ts';
import { encodeBatch } from '../wire/encode.ts';

/** Our choice: what a training process can spare. */
const MAX_WAITING_BYTES = 256 * 2 ** 20;
/** Of one request: a quarter of what the monitor takes (openapi.yaml, 413). */
const MAX_BATCH_BYTES = 4 * 2 ** 20;
/** Half of MAX_STEPS in plugin/wire. */
const MAX_BATCH_STEPS = 512;
/** Between two batches; twice as long after each failure, up to the last. Our choice: a chart that moves twice a second. */
const FLUSH_DELAY_MS = 500;
const MAX_RETRY_DELAY_MS = 30_000;
/** Of one request: twice what the monitor waits for other ranks before it answers. */
const REQUEST_TIMEOUT_MS = 40_000;

export interface MonitorAddress {
  /** With a slash at its end. */
  readonly url: string;
  readonly token: string | null;
}

export interface SendQueue {
  readonly run: string;
  readonly monitor: MonitorAddress;
  /** Encoded steps, oldest first; all of one attempt. */
  readonly waiting: Buffer[];
  waitingBytes: number;
  /** Given up, as they did not fit or the monitor refused them. */
  dropped: number;
  /** null: none is on its way. */
  sending: Promise<void> | null;
  timer: NodeJS.Timeout | null;
  delayMs: number;
  closed: boolean;
  readonly onAnswer: (answer: StepsAnswer) => void;
  /** Gets each kind of problem once, and when it is over. */
  readonly onProblem: (message: string) => void;
  /** The last one reported; null: all is well. */
  problem: string | null;
}

/** An empty queue. */
export function createSendQueue(options: Pick<SendQueue, 'run' | 'monitor' | 'onAnswer' | 'onProblem'>): SendQueue {
  return {
    ...options,
    waiting: [],
    waitingBytes: 0,
    dropped: 0,
    sending: null,
    timer: null,
    delayMs: FLUSH_DELAY_MS,
    closed: false,
    problem: null,
  };
}

/** Adds a step, to be sent half a second later with those that come meanwhile. @param body as `encodeStep` gives it */
export function push(queue: SendQueue, body: Buffer): void {
  queue.waiting.push(body);
  queue.waitingBytes += body.length;
  while (queue.waitingBytes > MAX_WAITING_BYTES) {
    removeFirst(queue);
    queue.dropped++;
  }
  queue.timer ??= setTimeout(() => flush(queue), queue.delayMs);
}

function removeFirst(queue: SendQueue): void {
  queue.waitingBytes -= queue.waiting.shift()!.length;
}

/** Sends what waits, as much as it can. Never rejects. */
export function flush(queue: SendQueue): Promise<void> {
  stopTimer(queue);
  queue.sending ??= sendAll(queue)
    .catch((error: unknown) => warn(queue, `the answer of ${queue.monitor.url} cannot be read: ${(error as Error).message}`))
    .finally(() => {
      queue.sending = null;
      if (queue.waiting.length > 0 && !queue.closed) queue.timer ??= setTimeout(() => flush(queue), queue.delayMs);
    });
  return queue.sending;
}

/** Tries a last time to send what waits, and stops. @returns how many steps did not reach the monitor */
export async function closeSendQueue(queue: SendQueue): Promise<number> {
  await flush(queue);
  if (queue.waiting.length > 0) await flush(queue); // the first may have been one that was on its way
  queue.closed = true;
  stopTimer(queue);
  return queue.waiting.length + queue.dropped;
}

async function sendAll(queue: SendQueue): Promise<void> {
  while (queue.waiting.length > 0 && !queue.closed) {
    const batch = firstBatch(queue.waiting);
    const packed = await pack(encodeBatch(batch), { level: 1 });
    const tried = await request(queue.monitor, 'POST', `api/v1/runs/${queue.run}/steps`, packed, 'application/vnd.gainwatch.batch');
    if (tried.isRetriable) {
      queue.delayMs = backOff(queue.delayMs, MAX_RETRY_DELAY_MS);
      warn(queue, `${tried.problem}; trying again, nothing is lost as long as ${MAX_WAITING_BYTES / 2 ** 20} MiB suffice`);
      return;
    }
    queue.delayMs = FLUSH_DELAY_MS;
    let sent = 0;
    for (const body of batch) {
      if (queue.waiting[0] !== body) continue; // given up meanwhile
      removeFirst(queue);
      sent++;
    }
    if (!tried.isOk) {
      queue.dropped += sent;
      warn(queue, `${tried.problem}; ${sent} steps are lost`);
    } else {
      if (queue.problem !== null) queue.onProblem(`run ${queue.run}: ${queue.monitor.url} takes steps again`);
      queue.problem = null;
      queue.onAnswer(tried.answer as StepsAnswer);
    }
  }
}

/** Reports a problem, unless it was the last one. */
function warn(queue: SendQueue, problem: string): void {
  if (queue.problem === problem) return;
  queue.problem = problem;
  queue.onProblem(`run ${queue.run}: ${problem}`);
}

function firstBatch(waiting: readonly Buffer[]): Buffer[] {
  let bytes = 0;
  const end = waiting.findIndex((body, i) => {
    bytes += body.length;
    return i === MAX_BATCH_STEPS || (i > 0 && bytes > MAX_BATCH_BYTES);
  });
  return waiting.slice(0, end < 0 ? undefined : end);
}

const pack = promisify(gzip);

/** One request to a monitor. Never rejects. @param path below the monitor's address. @param body a Buffer is packed with gzip */
export async function request(
  { url, token }: MonitorAddress,
  method: 'PUT' | 'POST',
  path: string,
  body: Buffer | string,
  type: string,
): Promise<TriedRequest<unknown>> {
  const headers: Record<string, string> = { 'Content-Type': type, 'Gainwatch-Version': '1' };
  if (typeof body !== 'string') headers['Content-Encoding'] = 'gzip';
  if (token !== null) headers['Authorization'] = `Bearer ${token}`;
  const init = { method, headers, body: typeof body === 'string' ? body : new Uint8Array(body) };
  const read = (response: Response): Promise<unknown> => (response.ok ? response.json() : response.text());
  const tried = await tryRequest(url + path, init, read, { fetch, timeoutMs: REQUEST_TIMEOUT_MS });
  const { answer, status, problem } = tried;
  const reason = status === null ? `cannot be reached: ${problem}` : `answers ${status}: ${String(answer).slice(0, 300)}`;
  return { ...tried, problem: `${url}${path} ${reason}` };
}
