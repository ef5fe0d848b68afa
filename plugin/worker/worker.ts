/**
 * The worker thread: the service behind messages from the training thread. One per process, for all its watched runs.
 * Loads no TF.js. `progress` is shared: [0] counts the samples taken in, so that the training thread can bound the queue.
 */
import { workerData } from 'node:worker_threads';
import type { LiveRun } from '../pipeline/liveRun.ts';
import { closeRun, forgetRun, openRun } from '../pipeline/pipeline.ts';
import { startService } from '../service.ts';
import { handleSample } from './handleSample.ts';
import type { FromWorker, ToWorker, WorkerOptions } from './workerMessages.ts';

const options = workerData as WorkerOptions;
const port = options.channel;
const progress = new Int32Array(options.progress);
const emit = (message: FromWorker) => port.postMessage(message);
const onProblem = (message: string) => emit({ type: 'problem', message });

try {
  const service = await startService({ ...options, now: Date.now, onProblem });
  const { pipeline } = service;
  const runs = new Map<number, LiveRun>();
  const ids = new Map<LiveRun, number>();
  pipeline.sinks.add({
    onStep: (run, { compositeGain }) => {
      const id = ids.get(run);
      if (id !== undefined && compositeGain !== null) emit({ type: 'reported', id, compositeGain });
    },
    onWarning: (run, record, what) => {
      const id = ids.get(run);
      if (id !== undefined) emit({ type: 'warning', id, what, record });
    },
  });
  const handleMessage = (message: ToWorker) => {
    if (message.type === 'shutdown') {
      void service.close().then(() => port.close());
      return;
    }
    const { id } = message;
    const run = runs.get(id);
    switch (message.type) {
      case 'open': {
        const opened = openRun(pipeline, message.header);
        runs.set(id, opened);
        ids.set(opened, id);
        break;
      }
      case 'step':
        Atomics.add(progress, 0, 1);
        if (run !== undefined) handleSample(pipeline, run, message.sample);
        break;
      case 'close': {
        if (run !== undefined) {
          run.monitor = message.monitor;
          closeRun(pipeline, run, message.outcome);
        }
        const forget = () => {
          if (run !== undefined) forgetRun(pipeline, run);
          emit({ type: 'closed', id });
        };
        if (message.lingerSeconds > 0) setTimeout(forget, message.lingerSeconds * 1000);
        else forget();
      }
    }
  };
  port.on('message', (message: ToWorker) => {
    try {
      handleMessage(message);
    } catch (error) {
      onProblem((error as Error).message);
    }
  });
  emit({ type: 'listening', url: service.url, note: service.note });
} catch (error) {
  emit({ type: 'refused', message: (error as Error).message });
  port.close();
}
