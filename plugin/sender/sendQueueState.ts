/**
 * What a sender holds for one run, and what it says of it: problems when they begin and end, losses once by their kind, the name that it
 * goes over to. Sends nothing (sendQueue.ts).
 */
import type { StepsAnswer } from '../../src/telemetry/api.ts';
import type { MonitorAddress } from './monitorAddress.ts';

/** While the run goes on in another training: how often it is asked for, and how long. */
export interface TakenLimits {
  askMs: number;
  overMs: number;
}
/** Our choice: longer than one that was killed counts as going on. */
const TAKEN_LIMITS: TakenLimits = { askMs: 10_000, overMs: 120_000 };

/** Between two batches; twice as long after each failure. Our choice: a chart that moves twice a second. */
export const FLUSH_DELAY_MS = 500;

/** Plain data. */
export interface SendQueue {
  /** Another than was asked for, where that one goes on in another training. */
  run: string;
  readonly monitor: MonitorAddress;
  /** Shows the monitor that the run is this training's. */
  readonly key: string;
  /** Encoded steps, oldest first; all of one attempt. */
  readonly waiting: Buffer[];
  waitingBytes: number;
  /** Given up, as they did not fit or the monitor refused them. */
  dropped: number;
  /** null: none is on its way. */
  sending: Promise<void> | null;
  timer: NodeJS.Timeout | null;
  /** Before the next try after a failure without Retry-After. */
  delayMs: number;
  /** ms of the monotonic clock: no request before. */
  notBefore: number;
  /** The same: no request after; infinite until the run ends. */
  deadline: number;
  readonly stop: AbortController;
  /** The run goes on in another training since then, and this name is free; null: it does not. */
  taken: { free: string; since: number } | null;
  readonly limits: TakenLimits;
  readonly onAnswer: (answer: StepsAnswer) => void;
  /** Gets each kind of problem once, and when it is over. */
  readonly onProblem: (message: string) => void;
  /** The run is sent under another name from now on. */
  readonly onRename: (run: string) => void;
  /** The last problem reported; null: all is well. */
  problem: string | null;
  /** Kinds of refusal that were reported. */
  readonly refusals: Set<string>;
}

type SendQueueOptions = Pick<SendQueue, 'run' | 'monitor' | 'key' | 'onAnswer' | 'onProblem' | 'onRename'>;

/** An empty queue. */
export function createSendQueue(options: SendQueueOptions, limits: TakenLimits = TAKEN_LIMITS): SendQueue {
  return {
    ...options,
    limits,
    waiting: [],
    waitingBytes: 0,
    dropped: 0,
    sending: null,
    timer: null,
    delayMs: FLUSH_DELAY_MS,
    notBefore: 0,
    deadline: Number.POSITIVE_INFINITY,
    stop: new AbortController(),
    taken: null,
    problem: null,
    refusals: new Set(),
  };
}

/** Has the run ended, and what waits is sent a last time? */
export const isClosing = (queue: SendQueue): boolean => queue.deadline < Number.POSITIVE_INFINITY;

/** The monitor takes steps: what was wrong is over. */
export function noteDone(queue: SendQueue): void {
  if (queue.taken !== null) queue.onProblem(`run ${queue.run}: it is this training's now`);
  else if (queue.problem !== null) queue.onProblem(`run ${queue.run}: ${queue.monitor.url} takes steps again`);
  queue.taken = null;
  queue.problem = null;
}

/** The run goes on in another training: said when it is found, not each time it is asked for. */
export function noteTaken(queue: SendQueue, problem: string, free: string): void {
  if (queue.taken === null) {
    const { askMs, overMs } = queue.limits;
    queue.onProblem(
      `run ${queue.run} goes on in ANOTHER TRAINING (${problem}): nothing is lost, steps are kept and the run is asked for every ${askMs / 1000} s; ` +
        `if it is not free within ${overMs / 1000} s this training is sent as run ${free}. Give each training a name of its own (run, ` +
        'GAINWATCH_RUN), and what resumes the key of what it resumes (key, GAINWATCH_KEY)',
    );
  }
  queue.taken = { free, since: queue.taken?.since ?? performance.now() };
}

/** To the name that is free: nothing is lost to a training that came first. */
export function goOver(queue: SendQueue, free: string): void {
  queue.onProblem(`run ${queue.run} goes on in another training: this one is sent as run ${free} from now on`);
  queue.run = free;
  queue.taken = null;
  queue.onRename(free);
}

/** Reports a problem, unless it was the last one. */
export function warn(queue: SendQueue, problem: string): void {
  if (queue.problem === problem) return;
  queue.problem = problem;
  queue.onProblem(`run ${queue.run}: ${problem}`);
}

/** Reports a kind of loss once. */
export function reportLoss(queue: SendQueue, kind: string, problem: string): void {
  if (!queue.refusals.has(kind)) queue.onProblem(`run ${queue.run}: ${problem}`);
  queue.refusals.add(kind);
}
