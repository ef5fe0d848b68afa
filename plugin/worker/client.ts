/**
 * The training thread's end of the worker: starts one per process and set of options, posts to it without waiting, bounds
 * what lies in its queue, and receives its messages without needing the event loop. A worker that dies or hangs costs samples, no more.
 */
import { existsSync } from 'node:fs';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerOptions } from './workerMessages.ts';

/** In the worker's queue. Our choice; beyond it samples are dropped and counted. */
const MAX_QUEUED_SAMPLES = 128;

export type ServerOptions = Omit<WorkerOptions, 'progress' | 'channel'>;

export interface WorkerClient {
  readonly key: string;
  readonly worker: Worker;
  readonly port: MessagePort;
  /** [0]: samples taken in by the worker. */
  readonly progress: Int32Array;
  /** Samples posted so far. */
  sent: number;
  /** Runs that are open, by their number. */
  readonly runs: Map<number, { name: string; onMessage: (message: FromWorker) => void }>;
  /** Of the whole process, that came before there was a run. */
  readonly pendingMessages: FromWorker[];
  /** Of the monitor. */
  url: string;
  /** What the user should know of it. */
  note: string | null;
  alive: boolean;
  /** Resolves when the thread has ended. */
  readonly ended: Promise<void>;
}

const clients = new Map<string, Promise<WorkerClient>>();
let nextId = 0;

/** The worker for these options: the one that runs, or a new one. @throws Error with what the server says (port taken …) */
export async function workerFor(options: ServerOptions): Promise<WorkerClient> {
  const key = JSON.stringify(options);
  const running = await clients.get(key)?.catch(() => null);
  if (running?.alive) return running;
  const starting = start(key, options);
  clients.set(key, starting);
  starting.catch(() => clients.delete(key));
  return starting;
}

function start(key: string, options: ServerOptions): Promise<WorkerClient> {
  const script = new URL(options.url === null ? './worker.js' : '../sender/sender.js', import.meta.url);
  if (!existsSync(script)) return Promise.reject(new Error(`gainwatch is not built: ${script.pathname} is missing (npm run build)`));
  const progress = new SharedArrayBuffer(4);
  const { port1, port2 } = new MessageChannel();
  const workerData: WorkerOptions = { ...options, progress, channel: port2 };
  // The host's own flags (loaders, --inspect) are none of the worker's.
  const worker = new Worker(script, { workerData, transferList: [port2], execArgv: [], name: 'gainwatch' });
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve());
  });
  const client: WorkerClient = {
    key,
    worker,
    port: port1,
    progress: new Int32Array(progress),
    sent: 0,
    runs: new Map(),
    pendingMessages: [],
    url: '',
    note: null,
    alive: true,
    ended,
  };
  return new Promise((resolve, reject) => {
    const onDeath = (message: string) => {
      const unexpected = client.alive;
      client.alive = false;
      if (unexpected) for (const run of client.runs.values()) run.onMessage({ type: 'problem', message });
      clients.delete(key);
      reject(new Error(message));
    };
    worker.once('error', (error: Error) => onDeath(`the monitor's thread died: ${error.message}`));
    worker.once('exit', (code) => onDeath(`the monitor's thread ended with ${code}`));
    port1.on('message', (message: FromWorker) => {
      if (message.type === 'listening') {
        client.url = message.url;
        client.note = message.note;
        worker.unref();
        port1.unref();
        resolve(client);
      } else if (message.type === 'refused') {
        client.alive = false;
        reject(new Error(message.message));
      } else handleMessage(client, message);
    });
  });
}

function handleMessage(client: WorkerClient, message: FromWorker): void {
  if ('id' in message) {
    client.runs.get(message.id)?.onMessage(message);
    return;
  }
  // Of the whole process: for its first run.
  const [first] = client.runs.values();
  if (first === undefined) client.pendingMessages.push(message);
  else first.onMessage(message);
}

/** Handles the worker's messages that have come so far: for a training loop that never yields to the event loop. */
export function poll(client: WorkerClient): void {
  for (;;) {
    const received = receiveMessageOnPort(client.port) as { message: FromWorker } | undefined;
    if (received === undefined) return;
    handleMessage(client, received.message);
  }
}

/**
 * Adds a run; the worker does not know of it until `open` is posted.
 * @param onMessage gets what concerns this run
 * @returns the run's number in the process
 * @throws Error where a run of this name goes on
 */
export function register(client: WorkerClient, name: string, onMessage: (message: FromWorker) => void): number {
  for (const run of client.runs.values()) {
    if (run.name === name) throw new Error(`run ${name} is being watched in this process already: give each run a name of its own`);
  }
  const id = nextId++;
  client.runs.set(id, { name, onMessage });
  for (const message of client.pendingMessages.splice(0)) onMessage(message);
  return id;
}

/** Anything but a sample, which is counted (`postSample`). */
export function post(client: WorkerClient, message: Exclude<ToWorker, { type: 'step' }>): void {
  client.port.postMessage(message);
}

/** The sample's mappings are transferred: gone here. @returns false: the queue is full or the worker dead, nothing was posted */
export function postSample(client: WorkerClient, message: Extract<ToWorker, { type: 'step' }>): boolean {
  if (!client.alive || client.sent - Atomics.load(client.progress, 0) >= MAX_QUEUED_SAMPLES) return false;
  client.port.postMessage(message, [message.sample.mappings.buffer as ArrayBuffer]);
  client.sent++;
  return true;
}

/** Removes a run; the worker ends with its last one. Waits for that, at most `seconds`, then ends it by force. */
export async function release(client: WorkerClient, id: number, seconds: number): Promise<void> {
  if (client.runs.size > 1) {
    client.runs.delete(id);
    return;
  }
  clients.delete(client.key);
  client.alive = false;
  client.worker.ref();
  post(client, { type: 'shutdown' });
  const timer = setTimeout(() => client.worker.terminate(), seconds * 1000);
  await client.ended;
  clearTimeout(timer);
  poll(client); // its last messages
  client.runs.delete(id);
  client.port.close();
}
