/**
 * The worker thread: the service behind messages from the training thread. One per process, for all its watched runs.
 * Loads no TF.js. `progress` is shared: [0] counts the samples taken in, so that the training thread can bound the queue.
 */
import { workerData } from 'node:worker_threads';
import type { LiveRun } from '../pipeline/liveRun.ts';
import { closeRun, forgetRun, openRun } from '../pipeline/pipeline.ts';
import { startService } from '../service.ts';
import { handleSample } from './handleSample.ts';
import type { FromWorker, ToWorker, WorkerOptions } from './messages.ts';

const options = workerData as WorkerOptions;
const port = options.channel;
const progress = new Int32Array(options.progress);
const say = (message: FromWorker) => port.postMessage(message);
const onProblem = (message: string) => say({ type: 'problem', message });

try {
  const service = await startService({ ...options, directory: options.runs, now: Date.now, onProblem });
  const runs = new Map<number, LiveRun>();
  const { pipeline } = service;
  const ids = new Map<LiveRun, number>();
  pipeline.sinks.add({
    onStep: (run, { compositeGain }) => {
      const id = ids.get(run);
      if (id !== undefined && compositeGain !== null) say({ type: 'reported', id, compositeGain });
    },
    onWarning: (run, record, what) => {
      const id = ids.get(run);
      if (id !== undefined) say({ type: 'warning', id, what, record });
    },
  });
  const take = (message: ToWorker) => {
    switch (message.type) {
      case 'open': {
        const run = openRun(pipeline, message.header);
        runs.set(message.id, run);
        ids.set(run, message.id);
        break;
      }
      case 'step': {
        Atomics.add(progress, 0, 1);
        const run = runs.get(message.id);
        if (run !== undefined) handleSample(pipeline, run, message.sample);
        break;
      }
      case 'close': {
        const run = runs.get(message.id);
        const gone = () => {
          if (run !== undefined) forgetRun(pipeline, run);
          say({ type: 'closed', id: message.id });
        };
        if (run !== undefined) {
          run.monitor = message.monitor;
          closeRun(pipeline, run, message.outcome);
        }
        if (message.lingerSeconds > 0) setTimeout(gone, message.lingerSeconds * 1000);
        else gone();
        break;
      }
      case 'shutdown':
        service.close().then(() => port.close());
    }
  };
  port.on('message', (message: ToWorker) => {
    try {
      take(message);
    } catch (error) {
      onProblem((error as Error).message);
    }
  });
  say({ type: 'listening', url: service.url, note: service.note });
} catch (error) {
  say({ type: 'refused', message: (error as Error).message });
  port.close();
}
