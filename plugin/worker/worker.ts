/**
 * The worker thread: the service behind messages from the training thread. One per process, for all its watched runs.
 * Loads no TF.js.
 */
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { LiveRun } from '../pipeline/liveRun.ts';
import { closeRun, forgetRun, openRun } from '../pipeline/pipeline.ts';
import { startService } from '../service.ts';
import { handleSample } from './handleSample.ts';
import { emit, noteDone, onMessages, onProblem, options } from './workerPort.ts';

try {
  const service = await startService({ ...options, now: Date.now, onProblem });
  const { pipeline } = service;
  const runs = new Map<number, LiveRun>();
  const ids = new Map<LiveRun, number>();
  const headers = new Map<number, RunHeader>();
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
  onMessages((message) => {
    if (message.type === 'shutdown') {
      void service.close().then(() => options.channel.close());
      return;
    }
    const { id } = message;
    const run = runs.get(id);
    switch (message.type) {
      case 'open': {
        headers.set(id, message.header);
        if (run !== undefined) break; // its samples have more connections from now on
        const opened = openRun(pipeline, message.header, { source: message.source, key: null, isHere: true, fresh: false });
        runs.set(id, opened);
        ids.set(opened, id);
        break;
      }
      case 'step':
        if (run === undefined) noteDone(1);
        else void handleSample(pipeline, run, message.sample, headers.get(id)).finally(() => noteDone(1));
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
  });
  emit({ type: 'listening', url: service.url, note: service.note });
} catch (error) {
  emit({ type: 'refused', message: (error as Error).message });
  options.channel.close();
}
