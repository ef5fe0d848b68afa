/**
 * One worker thread and the way to it: started, posted to without waiting, asked whether it lives. When it is started again, and what
 * its runs are told then, is client.ts's.
 */
import { existsSync } from 'node:fs';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerOptions } from './workerMessages.ts';

/** In the thread's queue. Our choice; beyond it samples are dropped and counted. */
const MAX_QUEUED_SAMPLES = 128;
/**
 * Of the thread's own heap, MiB: what grows beyond it ends the thread, not the training. Our choice: ten times what 64 runs of 64
 * connections hold (arrays of numbers lie outside of it).
 */
const MAX_HEAP_MIB = 1024;

export type ServerOptions = Omit<WorkerOptions, 'progress' | 'channel'>;

export interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
  /** [0] samples taken in by the thread, [1] those that it is done with. */
  readonly progress: Int32Array;
  /** Samples posted so far. */
  sent: number;
  /** Whose those are that it is not done with, oldest first (and some before them). */
  readonly senders: number[];
  /** When its end was seen before its events, ms of the monotonic clock; null: not yet. */
  endSeenAt: number | null;
  /** Resolves when the thread has ended. */
  readonly ended: Promise<void>;
}

/**
 * A new thread; it holds the process until `letGo`.
 * @param onEnd gets why, once
 * @throws Error where gainwatch is not built, or no thread can be made
 */
export function startThread(options: ServerOptions, onMessage: (message: FromWorker) => void, onEnd: (reason: string) => void): Thread {
  const script = new URL(options.url === null ? './worker.js' : '../sender/sender.js', import.meta.url);
  if (!existsSync(script)) throw new Error(`gainwatch is not built: ${script.pathname} is missing (npm run build)`);
  const progress = new SharedArrayBuffer(8);
  const { port1: port, port2: channel } = new MessageChannel();
  const workerData: WorkerOptions = { ...options, progress, channel };
  const resourceLimits = { maxOldGenerationSizeMb: MAX_HEAP_MIB };
  // The host's own flags (loaders, --inspect) are none of the worker's.
  const worker = new Worker(script, { workerData, transferList: [channel], resourceLimits, execArgv: [], name: 'gainwatch' });
  let died: string | null = null;
  worker.on('error', (error: Error) => {
    died ??= `died: ${error.message}`;
  });
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', (code) => {
      resolve();
      onEnd(died ?? `ended with ${code}`);
    });
  });
  port.on('message', onMessage);
  return { worker, port, progress: new Int32Array(progress), sent: 0, senders: [], endSeenAt: null, ended };
}

/** The process may end although the thread runs. */
export function letGo({ worker, port }: Thread): void {
  worker.unref();
  port.unref();
}

/** How long the events of a thread that has ended may tell why. Our choice: a training that yields at all does so by then. */
const MAX_EVENT_DELAY_MS = 500;

/** Has the thread ended without its events? A training loop that never yields does not see them. @param now ms of the monotonic clock */
export function hasEndedUnheard(thread: Thread, now: number): boolean {
  // Node's answer of one that has stopped: −1 ms.
  if (thread.worker.performance.eventLoopUtilization().idle >= 0) return false;
  thread.endSeenAt ??= now;
  return now - thread.endSeenAt >= MAX_EVENT_DELAY_MS;
}

/** The next message that has come; null: there is none. */
export const nextMessage = ({ port }: Thread): FromWorker | null =>
  (receiveMessageOnPort(port) as { message: FromWorker } | undefined)?.message ?? null;

/** The sample's mappings are transferred: gone here. @returns false: the queue is full, nothing was posted */
export function sendSample(thread: Thread, message: Extract<ToWorker, { type: 'step' }>): boolean {
  if (thread.sent - Atomics.load(thread.progress, 0) >= MAX_QUEUED_SAMPLES) return false;
  thread.port.postMessage(message, [message.sample.mappings.buffer as ArrayBuffer]);
  thread.sent++;
  thread.senders.push(message.id);
  if (thread.senders.length > 2 * MAX_QUEUED_SAMPLES) thread.senders.splice(0, thread.senders.length - unfinished(thread));
  return true;
}

const unfinished = ({ sent, progress }: Thread): number => sent - Atomics.load(progress, 1);

/** How many of a run's samples the thread is not done with. */
export function lostOf(thread: Thread, id: number): number {
  const left = unfinished(thread);
  return left === 0 ? 0 : thread.senders.slice(-left).filter((sender) => sender === id).length;
}
