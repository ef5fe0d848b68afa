/**
 * The training thread's end of the worker: one per process and set of options, posted to without waiting, its messages received
 * without needing the event loop. A worker that dies or hangs costs samples, no more; one that died is started again, and its runs go on.
 *
 *   starting ──listens──► running ──dies──► paused ──a while, or a run that closes──► running
 *      │ refused             │                 │ too often
 *      ▼                     ▼ last run gone   ▼
 *    (thrown)              ended ◄─────────────┘
 */
import { stopTimer } from '../timers.ts';
import { hasEndedUnheard, letGo, lostOf, nextMessage, type ServerOptions, sendSample, startThread, type Thread } from './thread.ts';
import type { FromWorker, ToRun, ToWorker } from './workerMessages.ts';

export type { ServerOptions } from './thread.ts';

/** Of these many deaths within this time, each is followed by a pause twice as long. Our choice: what kills five times, kills again. */
const MAX_RESTARTS = 5;
const RESTARTS_WITHIN_MS = 600_000;
const FIRST_PAUSE_MS = 1000;

interface WatchedRun {
  readonly name: string;
  readonly onMessage: (message: ToRun) => void;
  /** What was posted of it, for a thread that is started anew; null: nothing yet. */
  open: Extract<ToWorker, { type: 'open' }> | null;
  close: Extract<ToWorker, { type: 'close' }> | null;
}

export interface WorkerClient {
  readonly key: string;
  readonly options: ServerOptions;
  /** The newest one. */
  thread: Thread;
  state: 'running' | 'paused' | 'ended';
  /** When its threads died, ms of the monotonic clock. */
  readonly deaths: number[];
  /** While paused: when the pause ends, ms of the monotonic clock. */
  restartAt: number;
  timer: NodeJS.Timeout | null;
  /** Runs that are open, by their number. */
  readonly runs: Map<number, WatchedRun>;
  /** Of the whole process, that came before there was a run. */
  readonly pendingMessages: ToRun[];
  /** Of the monitor. */
  url: string;
  /** What the user should know of it. */
  note: string | null;
}

const clients = new Map<string, Promise<WorkerClient>>();
let nextId = 0;

/** The worker for these options: the one that runs, or a new one. @throws Error with what the server says (port taken …) */
export async function workerFor(options: ServerOptions): Promise<WorkerClient> {
  const key = JSON.stringify(options);
  const running = await clients.get(key)?.catch(() => null);
  if (running && running.state !== 'ended') return running;
  const starting = start(key, options);
  clients.set(key, starting);
  starting.catch(() => clients.delete(key));
  return starting;
}

/** The first thread, which must listen before there is a client. */
function start(key: string, options: ServerOptions): Promise<WorkerClient> {
  return new Promise((resolve, reject) => {
    let client: WorkerClient | null = null;
    // What it says before it listens: that nothing can be recorded.
    const pendingMessages: ToRun[] = [];
    const onMessage = (message: FromWorker) => {
      if (client !== null) handleMessage(client, message);
      else if (message.type === 'refused') reject(new Error(message.message));
      else if (message.type === 'listening') {
        const { url, note } = message;
        const empty = { deaths: [], restartAt: 0, timer: null, runs: new Map(), pendingMessages };
        client = { key, options, thread, state: 'running', ...empty, url, note };
        letGo(thread);
        resolve(client);
      } else if (!('id' in message)) pendingMessages.push(message);
    };
    const onEnd = (reason: string) => {
      if (client === null) reject(new Error(`the monitor's thread ${reason}`));
      else handleEnd(client, thread, reason);
    };
    const thread = startThread(options, onMessage, onEnd);
  });
}

/** Tells the runs, and has the thread started again after a pause, unless it was the last of too many. */
function handleEnd(client: WorkerClient, thread: Thread, reason: string): void {
  if (client.state !== 'running' || client.thread !== thread) return; // it was told to, or this is known already
  const now = performance.now();
  while (client.deaths.length > 0 && now - client.deaths[0] > RESTARTS_WITHIN_MS) client.deaths.shift();
  client.deaths.push(now);
  const pauseMs = FIRST_PAUSE_MS * 2 ** (client.deaths.length - 1);
  const isLast = client.deaths.length > MAX_RESTARTS;
  client.state = isLast ? 'ended' : 'paused';
  client.restartAt = now + pauseMs;
  if (isLast) clients.delete(client.key);
  else client.timer = setTimeout(() => restart(client), pauseMs).unref();
  const next = isLast
    ? `for the ${client.deaths.length}th time in ${RESTARTS_WITHIN_MS / 60_000} minutes, and is started no more`
    : `and is started again in ${pauseMs / 1000} s`;
  const message = `the monitor's thread ${reason}, ${next}: samples are dropped and counted, the training goes on`;
  for (const [id, run] of client.runs) run.onMessage({ type: 'died', message, isLast, lost: lostOf(thread, id) });
  thread.senders.length = 0;
}

/** A new thread for the same runs, on the same port unless another program has it. */
function restart(client: WorkerClient): void {
  if (client.state !== 'paused') return;
  stopTimer(client);
  client.state = 'running';
  client.thread.port.close();
  const { port } = new URL(client.url);
  const options = client.options.url === null ? { ...client.options, port: Number(port || 80), portGiven: false } : client.options;
  try {
    const onMessage = (message: FromWorker) => handleMessage(client, message);
    client.thread = startThread(options, onMessage, (reason) => handleEnd(client, thread, reason));
    const { thread } = client;
    letGo(thread);
    // It takes them in once it listens.
    for (const { open, close } of client.runs.values()) {
      if (open !== null) thread.port.postMessage(open);
      if (open !== null && close !== null) thread.port.postMessage(close);
    }
  } catch (error) {
    handleEnd(client, client.thread, `could not be started: ${(error as Error).message}`);
  }
}

function handleMessage(client: WorkerClient, message: FromWorker): void {
  if (message.type === 'refused') handleEnd(client, client.thread, `could not be started: ${message.message}`);
  else if (message.type === 'listening') {
    if (client.url !== message.url) tellFirst(client, { type: 'problem', message: `the dashboard is at ${message.url} from now on` });
    client.url = message.url;
  } else if ('id' in message) client.runs.get(message.id)?.onMessage(message);
  else tellFirst(client, message);
}

/** What is of the whole process. */
function tellFirst(client: WorkerClient, message: ToRun): void {
  const [first] = client.runs.values();
  if (first === undefined) client.pendingMessages.push(message);
  else first.onMessage(message);
}

/**
 * Handles the worker's messages that have come so far, its death too, and starts it again when it is time: for a training loop that
 * never yields to the event loop. Throws nothing.
 */
export function poll(client: WorkerClient): void {
  for (;;) {
    const message = nextMessage(client.thread);
    if (message === null) break;
    handleMessage(client, message);
  }
  const now = performance.now();
  if (client.state === 'running' && hasEndedUnheard(client.thread, now)) handleEnd(client, client.thread, 'died');
  if (client.state === 'paused' && now >= client.restartAt) restart(client);
}

/**
 * Adds a run; the worker does not know of it until `open` is posted.
 * @param onMessage gets what concerns this run
 * @returns the run's number in the process
 * @throws Error where a run of this name goes on
 */
export function register(client: WorkerClient, name: string, onMessage: (message: ToRun) => void): number {
  for (const run of client.runs.values()) {
    if (run.name === name) throw new Error(`run ${name} is being watched in this process already: give each run a name of its own`);
  }
  const id = nextId++;
  client.runs.set(id, { name, onMessage, open: null, close: null });
  for (const message of client.pendingMessages.splice(0)) onMessage(message);
  return id;
}

/**
 * Begins a run, tells of more connections, or ends it; what a dead worker did not hear, the next one does. For an end a pause is cut
 * short.
 */
export function post(client: WorkerClient, message: Extract<ToWorker, { type: 'open' | 'close' }>): void {
  const run = client.runs.get(message.id);
  if (run !== undefined) Object.assign(run, { [message.type]: message });
  if (client.state === 'running') client.thread.port.postMessage(message);
  else if (message.type === 'close') restart(client);
}

/** The sample's mappings are transferred: gone here. @returns false: the queue is full or the worker dead, nothing was posted */
export function postSample(client: WorkerClient, message: Extract<ToWorker, { type: 'step' }>): boolean {
  return client.state === 'running' && sendSample(client.thread, message);
}

/** Removes a run; the worker ends with its last one. Waits for that, at most `seconds`, then ends it by force. */
export async function release(client: WorkerClient, id: number, seconds: number): Promise<void> {
  if (client.runs.size > 1) {
    client.runs.delete(id);
    return;
  }
  const { thread, state } = client;
  clients.delete(client.key);
  client.state = 'ended';
  stopTimer(client);
  if (state === 'running') {
    thread.worker.ref();
    thread.port.postMessage({ type: 'shutdown' } satisfies ToWorker);
    const timer = setTimeout(() => thread.worker.terminate(), seconds * 1000);
    await thread.ended;
    clearTimeout(timer);
    poll(client); // its last messages
  }
  client.runs.delete(id);
  thread.port.close();
}
