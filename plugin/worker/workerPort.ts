/** The worker's end of the way to the training thread, the same in worker.ts and ../sender/sender.ts. Loads no TF.js. */
import { workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerOptions } from './workerMessages.ts';

export const options = workerData as WorkerOptions;
/** [0] counts the samples that were taken in, so that the training thread can bound the queue. */
const progress = new Int32Array(options.progress);

/** So many samples were committed, sent or given up: what the training thread counts as lost should this thread die. */
export const noteDone = (count: number): void => void Atomics.add(progress, 1, count);

/** Sends a message to the training thread. */
export const emit = (message: FromWorker): void => options.channel.postMessage(message);
/** Sends what the user should read. */
export const onProblem = (message: string): void => emit({ type: 'problem', message });

/** Has each message of the training thread handled, and the samples among them counted; what `handle` throws is a problem. */
export function onMessages(handle: (message: ToWorker) => void | Promise<void>): void {
  options.channel.on('message', async (message: ToWorker) => {
    if (message.type === 'step') Atomics.add(progress, 0, 1);
    try {
      await handle(message);
    } catch (error) {
      onProblem((error as Error).message);
    }
  });
}
