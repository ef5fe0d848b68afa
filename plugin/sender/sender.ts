/**
 * The worker thread where `watch(model, { url })` sends to a monitor of another process: the same messages as worker.ts, and HTTP
 * behind them instead of a pipeline. Loads no TF.js.
 */
import { randomUUID } from 'node:crypto';
import { workerData } from 'node:worker_threads';
import type { StepsAnswer } from '../../src/telemetry/api.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { encodeStep } from '../wire/encode.ts';
import type { FromWorker, ToWorker, WorkerOptions } from '../worker/messages.ts';
import { ask, createQueue, flush, push, type SendQueue, type Target } from './queue.ts';

interface SentRun {
  header: RunHeader;
  attempt: string;
  queue: SendQueue;
  /** By their id: those that hold. */
  warnings: Map<number, WarningRecord>;
  lastStep: number;
}

const { url, token, channel: port, progress: shared } = workerData as WorkerOptions;
const progress = new Int32Array(shared);
const say = (message: FromWorker) => port.postMessage(message);
const target: Target = { url: url!, token };
const runs = new Map<number, SentRun>();

function open(id: number, header: RunHeader): void {
  const onProblem = (message: string) => say({ type: 'problem', message });
  const queue = createQueue({ run: header.run, target, onProblem, onAnswer: (answer) => hear(id, answer) });
  const attempt = randomUUID();
  runs.set(id, { header, attempt, queue, warnings: new Map(), lastStep: 0 });
}

function hear(id: number, { composite_gain: gain, warnings }: StepsAnswer): void {
  const run = runs.get(id)!;
  if (gain !== null) say({ type: 'reported', id, compositeGain: fromWire(gain) });
  const holding = new Set(warnings.map((warning) => warning.id));
  for (const { id: number, active: _, value, clearedStep, clearedTime, acknowledgedTime, ...warning } of warnings) {
    if (run.warnings.has(number)) continue;
    const record = { id: number, warning: { ...warning, value: fromWire(value) }, clearedStep, clearedTime, acknowledgedTime };
    run.warnings.set(number, record);
    say({ type: 'warning', id, what: 'raised', record });
  }
  for (const [number, record] of run.warnings) {
    if (holding.has(number)) continue;
    run.warnings.delete(number);
    say({ type: 'warning', id, what: 'cleared', record: { ...record, clearedStep: run.lastStep, clearedTime: Date.now() } });
  }
}

async function close(id: number, outcome: string): Promise<void> {
  const run = runs.get(id);
  if (run !== undefined) {
    const { queue, header, attempt } = run;
    await flush(queue);
    if (queue.waiting.length > 0) await flush(queue);
    queue.closed = true;
    if (queue.timer !== null) clearTimeout(queue.timer);
    const lost = queue.waiting.length + queue.dropped;
    if (lost > 0) say({ type: 'problem', message: `run ${header.run}: ${lost} steps did not reach ${target.url}` });
    const state = JSON.stringify({ state: 'closed', attempt, outcome });
    if (queue.waiting.length === 0) await ask(target, 'PUT', `api/v1/runs/${header.run}`, state, 'application/json');
  }
  say({ type: 'closed', id });
}

port.on('message', (message: ToWorker) => {
  const run = 'id' in message ? runs.get(message.id) : undefined;
  try {
    if (message.type === 'open') open(message.id, message.header);
    else if (message.type === 'step') {
      Atomics.add(progress, 0, 1);
      if (run === undefined) return;
      const { monitor } = message.sample;
      const samplesDropped = monitor.samplesDropped + run.queue.dropped;
      push(run.queue, encodeStep(run.header, run.attempt, { ...message.sample, monitor: { ...monitor, samplesDropped } }));
      run.lastStep = message.sample.step;
    } else if (message.type === 'close') void close(message.id, message.outcome);
    else port.close();
  } catch (error) {
    say({ type: 'problem', message: (error as Error).message });
  }
});
say({ type: 'listening', url: target.url, note: null });
