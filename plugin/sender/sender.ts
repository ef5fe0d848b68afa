/**
 * The worker thread where `watch(model, { url })` sends to a monitor of another process: the same messages as worker.ts, and HTTP
 * behind them instead of a pipeline. Loads no TF.js.
 */
import type { StepsAnswer } from '../../src/telemetry/api.ts';
import type { Outcome } from '../../src/telemetry/report.ts';
import type { RunHeader, StepSample } from '../../src/telemetry/sample.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { encodeStep } from '../wire/encode.ts';
import { emit, noteDone, onMessages, onProblem, options } from '../worker/workerPort.ts';
import { type MonitorAddress, sentToken } from './monitorAddress.ts';
import { closeSendQueue, push } from './sendQueue.ts';
import { createSendQueue, type SendQueue } from './sendQueueState.ts';

interface SentRun {
  header: RunHeader;
  attempt: string;
  queue: SendQueue;
  /** By their id: those that hold. */
  activeWarnings: Map<number, WarningRecord>;
  lastStep: number;
}

const monitor: MonitorAddress = { url: options.url!, token: sentToken(options) };
const runs = new Map<number, SentRun>();
/** Samples that were taken in, and how many of them do not wait any more, as far as was noted. */
let taken = 0;
let done = 0;

/** Notes what waits no more. */
function noteWaiting(): void {
  const waiting = [...runs.values()].reduce((sum, { queue }) => sum + queue.waiting.length, 0);
  noteDone(taken - waiting - done);
  done = taken - waiting;
}

/** Begins a run; of one that goes on the header is another, as it has more connections. */
function openRun(id: number, header: RunHeader, attempt: string, key: string): void {
  const known = runs.get(id);
  if (known !== undefined) {
    known.header = header;
    return;
  }
  const onAnswer = (answer: StepsAnswer) => handleAnswer(id, answer);
  const onRename = (run: string) => emit({ type: 'renamed', id, run });
  const queue = createSendQueue({ run: header.run, monitor, key, onProblem, onAnswer, onRename });
  runs.set(id, { header, attempt, queue, activeWarnings: new Map(), lastStep: 0 });
}

function handleSample({ header, attempt, queue }: SentRun, sample: StepSample): void {
  const samplesDropped = sample.monitor.samplesDropped + queue.dropped;
  push(queue, encodeStep(header, attempt, { ...sample, monitor: { ...sample.monitor, samplesDropped } }));
}

/** The monitor's warnings that hold: which of them are new, and which are gone since its last answer? */
function handleAnswer(id: number, { composite_gain: gain, warnings }: StepsAnswer): void {
  const { activeWarnings, lastStep } = runs.get(id)!;
  noteWaiting();
  if (gain !== null) emit({ type: 'reported', id, compositeGain: fromWire(gain) });
  const active = new Set(warnings.map((warning) => warning.id));
  for (const { id: number, active: _, value, clearedStep, clearedTime, acknowledgedTime, ...warning } of warnings) {
    if (activeWarnings.has(number)) continue;
    // An older monitor tells no cause.
    const raised = { ...warning, value: fromWire(value), cause: warning.cause ?? null };
    const record = { id: number, warning: raised, clearedStep, clearedTime, acknowledgedTime };
    activeWarnings.set(number, record);
    emit({ type: 'warning', id, what: 'raised', record });
  }
  for (const [number, record] of activeWarnings) {
    if (active.has(number)) continue;
    activeWarnings.delete(number);
    emit({ type: 'warning', id, what: 'cleared', record: { ...record, clearedStep: lastStep, clearedTime: Date.now() } });
  }
}

async function closeRun({ queue, attempt }: SentRun, outcome: Outcome): Promise<void> {
  const lost = await closeSendQueue(queue, attempt, outcome);
  if (lost > 0) onProblem(`run ${queue.run}: ${lost} steps did not reach ${monitor.url}: they are lost`);
}

onMessages(async (message) => {
  if (message.type === 'shutdown') {
    options.channel.close();
    return;
  }
  const run = runs.get(message.id);
  switch (message.type) {
    case 'open':
      return openRun(message.id, message.header, message.source, message.key);
    case 'step':
      taken++;
      if (run !== undefined) {
        handleSample(run, message.sample);
        run.lastStep = message.sample.step;
      }
      return noteWaiting();
    case 'close':
      if (run !== undefined) await closeRun(run, message.outcome);
      emit({ type: 'closed', id: message.id });
  }
});
emit({ type: 'listening', url: monitor.url, note: null });
