/**
 * Reads the bodies that come in and analyses matrices, in a thread of its own, so that none of them holds the event loop. The thread
 * starts with the first request and again after it died: a body that is too much for it costs its sender an answer, and no one else.
 * What is done there is analystThread.ts's.
 *
 *   no thread ──first request──► thread ──dies──► no thread (what it worked on is refused, what waited behind it is to come again)
 */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader, StepSample } from '../../src/telemetry/sample.ts';
import { FieldError } from '../fieldError.ts';
import type { Part } from '../wire/part.ts';
import type { RunState } from '../wire/schema.ts';
import { type AnalystReply, type AnalystRequest, type AnalystTasks, buffersOf, type TaskName } from './analystMessages.ts';

export interface Analyst {
  /**
   * The parts of a body, each with its report. The memory of a large body is given away: it is gone here.
   * @param now when it came, ms since 1970
   * @returns rejects with FieldError: what is wrong with the body, 413 where it is too much, 503 where it is to come again
   */
  decode(contentType: string, body: Buffer, now: number): Promise<Part[]>;
  /** What a rank says when it opens or closes. @returns rejects as `decode` */
  decodeState(body: Buffer): Promise<RunState>;
  /** `analyse` of src/telemetry, there. The arrays of the sample are given away. @returns rejects with Error */
  analyse(header: RunHeader, sample: StepSample): Promise<StepReport>;
  /** Starts the thread before the first request, which would wait for it. */
  start(): void;
  /** Ends the thread; what it worked on is refused. */
  close(): Promise<void>;
}

/** Of the thread. Our choice: three times what the costliest body that is allowed takes on the heap (`npm run bench:costly`). */
const MAX_HEAP_MB = 256;
/** Of bodies that are with the thread. Our choice: eight of the largest. */
const MAX_WAITING_BYTES = 128 * 2 ** 20;

/** A request that is with the thread; they are answered in the order in which they came. */
interface PendingRequest {
  size: number;
  resolve: (answer: never) => void;
  reject: (error: Error) => void;
}

interface AnalystState {
  /** null: none yet, or it has died. */
  worker: Worker | null;
  /** By number, oldest first. */
  readonly pending: Map<number, PendingRequest>;
  nextId: number;
  waitingBytes: number;
}

/** An analyst that works when asked. @param maxHeapMb of its thread */
export function createAnalyst(maxHeapMb = MAX_HEAP_MB): Analyst {
  const state: AnalystState = { worker: null, pending: new Map(), nextId: 0, waitingBytes: 0 };

  function ask<T extends TaskName>(task: T, asked: AnalystTasks[T]['asked'], size: number, given: ArrayBuffer[]) {
    return new Promise<AnalystTasks[T]['answer']>((resolve, reject) => {
      if (state.waitingBytes > 0 && state.waitingBytes + size > MAX_WAITING_BYTES) {
        throw new FieldError('body', 'must wait: too many bodies are being analysed', null, 503);
      }
      state.worker ??= startThread(state, maxHeapMb);
      const id = state.nextId++;
      state.pending.set(id, { size, resolve, reject });
      state.waitingBytes += size;
      state.worker.postMessage({ id, task, ...asked } as AnalystRequest, given);
    });
  }
  const withBody = (body: Buffer) => {
    const given = toGive(body);
    return [given, given.byteLength, [given.buffer]] as const;
  };
  return {
    decode: async (contentType, body, now) => {
      const [given, size, memory] = withBody(body);
      return ask('steps', { contentType, body: given, now }, size, [...memory]);
    },
    decodeState: async (body) => {
      const [given, size, memory] = withBody(body);
      return ask('state', { body: given }, size, [...memory]);
    },
    analyse: async (header, sample) => ask('sample', { header, sample }, 0, buffersOf([sample])),
    start: () => {
      const [given, size, memory] = withBody(Buffer.from('{}'));
      void ask('state', { body: given }, size, [...memory]).catch(() => {}); // no state, and all that reads one is loaded
    },
    close: async () => {
      await state.worker?.terminate();
    },
  };
}

/** Below it Node may have put a buffer into one that others share (Buffer.poolSize), which is not ours to give away. */
const MIN_GIVEN_BYTES = 64 * 1024;
const toGive = ({ buffer, byteOffset, byteLength }: Buffer): Uint8Array<ArrayBuffer> => {
  const view = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
  return byteLength < MIN_GIVEN_BYTES ? view.slice() : view;
};

function startThread(state: AnalystState, maxHeapMb: number): Worker {
  const script = new URL('./analystThread.js', import.meta.url);
  if (!existsSync(script)) throw new Error(`gainwatch is not built: ${script.pathname} is missing (npm run build)`);
  const resourceLimits = { maxOldGenerationSizeMb: maxHeapMb };
  const worker = new Worker(script, { execArgv: [], name: 'gainwatch-analyst', resourceLimits });
  worker.unref();
  let isTooMuch = false;
  worker.on('error', (error: NodeJS.ErrnoException) => {
    isTooMuch = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
  });
  worker.on('exit', () => {
    const pending = [...state.pending.values()];
    Object.assign(state, { worker: null, waitingBytes: 0 });
    state.pending.clear();
    pending.forEach(({ reject }, i) => {
      reject(
        i === 0 && isTooMuch ? TOO_MUCH() : new FieldError('body', 'must come again: the thread that analyses it has ended', null, 503),
      );
    });
  });
  worker.on('message', (reply: AnalystReply) => {
    const request = state.pending.get(reply.id);
    if (request === undefined) return;
    state.pending.delete(reply.id);
    state.waitingBytes -= request.size;
    if ('answer' in reply) request.resolve(reply.answer as never);
    else if ('failed' in reply) request.reject(new Error(reply.failed));
    else {
      const { field, rule, value, status } = reply.refused;
      request.reject(new FieldError(field, rule, value, status));
    }
  });
  return worker;
}

const TOO_MUCH = () => new FieldError('body', 'must take less memory to be analysed: send fewer steps at a time', null, 413);
