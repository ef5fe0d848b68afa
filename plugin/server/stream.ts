/**
 * Server-sent events: every step as it is committed, and each change of a run. A browser that comes back with
 * Last-Event-ID gets from the recordings what it missed, then what comes. A client that does not read is dropped (it
 * comes back and catches up), so that it cannot fill our memory.
 */
import { once } from 'node:events';
import type { Request, Response } from 'express';
import { toStepAnswer, toWarningAnswer } from '../../src/telemetry/answer.ts';
import type { StreamEvents } from '../../src/telemetry/api.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { toFloatWire } from '../../src/telemetry/wire.ts';
import { FieldError } from '../fieldError.ts';
import type { LiveRun } from '../pipeline/liveRun.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Sink } from '../pipeline/sinks.ts';
import { isRunName } from '../recorder/directory.ts';
import type { RecordedStep } from '../recorder/read.ts';
import { texts } from './query.ts';
import { readRecording, summaryOf } from './runAnswers.ts';

/** Between two beats: proxies cut what is silent for 30 or 60 s. */
const HEARTBEAT_MS = 15_000;
/** Of events that a client has not taken yet; beyond, it is dropped. Our choice. */
const MAX_BACKLOG_BYTES = 8 << 20;
/** Of what was missed that waits for the client at a time. Our choice: well below the backlog. */
const MAX_CATCH_UP_BYTES = 1 << 20;
/** Steps that are read at a time to catch up, and their arrays, bytes. Our choices: many streams have half a megabyte a step. */
const CATCH_UP_STEPS = 200;
const CATCH_UP_BYTES = 16 << 20;

interface Client {
  readonly response: Response;
  /** null: every run. */
  readonly runs: ReadonlySet<string> | null;
  /** Where the client stands in each run. */
  readonly positions: Map<string, { attempt: number; step: number }>;
}

export interface Stream {
  readonly sink: Sink;
  /**
   * Answers `GET /stream`; resolves when the client is caught up.
   * @param endsInMs until its session is over; null: never
   * @throws FieldError where the query or Last-Event-ID cannot be
   */
  handle(request: Request, response: Response, endsInMs: number | null): Promise<void>;
  /** Sends an event to every client that wants the run: of a recording that no run of this process writes. */
  emit<E extends keyof StreamEvents>(event: E, run: string, data: StreamEvents[E]): void;
  /** Ends every connection. */
  close(): void;
}

/** A stream without a client. */
export function createStream(pipeline: Pipeline): Stream {
  const clients = new Set<Client>();
  const wants = (client: Client, run: string) => client.runs === null || client.runs.has(run);
  const emit: Stream['emit'] = (event, run, data) => {
    const text = JSON.stringify(data);
    for (const client of clients) {
      if (event === 'gone') client.positions.delete(run);
      if (wants(client, run)) send(client, event, text);
    }
  };
  const onChange = (run: LiveRun) => emit('run', run.header.run, summaryOf(run));
  const sink: Sink = {
    onOpen: onChange,
    onExtend: (run) => {
      emit('connections', run.header.run, { run: run.header.run });
      onChange(run);
    },
    onClose: onChange,
    onWarning: (run, record) => {
      emit('warning', run.header.run, toWarningAnswer(record));
      onChange(run);
    },
    onStep: (run, report) => {
      const wanting = [...clients].filter((client) => wants(client, run.header.run));
      if (wanting.length === 0) return;
      const data = JSON.stringify(toStepAnswer(run.header, run.attempt, report, run.forecast, toFloatWire));
      for (const client of wanting) sendStep(client, run.header.run, run.attempt, report, data);
    },
  };
  return {
    sink,
    emit,
    handle: async (request, response, endsInMs) => {
      const names = texts(request, 'run');
      const client: Client = { response, runs: names.length > 0 ? new Set(names) : null, positions: parsePositions(request) };
      response.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
      if (request.method === 'HEAD') {
        response.end();
        return;
      }
      response.flushHeaders();
      response.write('retry: 1000\n\n');
      // An event, not a comment, which a page does not see: a tunnel that hangs must be noticed.
      const heartbeat = setInterval(() => write(client, 'event: beat\ndata: null\n\n'), HEARTBEAT_MS);
      const end = endsInMs === null ? null : setTimeout(() => response.end(), endsInMs);
      response.on('close', () => {
        clearInterval(heartbeat);
        if (end !== null) clearTimeout(end);
        clients.delete(client);
      });
      await catchUp(pipeline, client);
      if (isOver(response)) return;
      clients.add(client);
      const runs = [...pipeline.live.values()].filter((run) => wants(client, run.header.run));
      // The position before the first step that is sent: who goes before that comes back to it.
      for (const { header, attempt, last } of runs) {
        if (last !== null && !client.positions.has(header.run)) client.positions.set(header.run, { attempt, step: last.step });
      }
      for (const run of runs) send(client, 'run', JSON.stringify(summaryOf(run)));
    },
    close: () => {
      for (const client of clients) client.response.end();
    },
  };
}

/** Returns in the same turn of the event loop in which nothing more was found, so that nothing falls between it and the subscription. */
async function catchUp(pipeline: Pipeline, client: Client): Promise<void> {
  for (let waited = true; waited; ) {
    waited = false;
    for (const [run, position] of client.positions) {
      if (client.runs !== null && !client.runs.has(run)) continue;
      let steps: RecordedStep[];
      try {
        steps = readRecording(pipeline, run, (recorder, reader) => firstOf(recorder.readSteps(reader, position)));
      } catch {
        client.positions.delete(run); // its recording is gone or cannot be read: go on with what comes
        continue;
      }
      if (isFull(steps.length, bytesOf(steps))) waited = true;
      for (const { attempt, header, report } of steps) {
        sendStep(client, run, attempt, report, JSON.stringify(toStepAnswer(header, attempt, report, [], toFloatWire)));
        if (client.response.writableLength < MAX_CATCH_UP_BYTES) continue;
        waited = true;
        await drained(client.response);
        if (isOver(client.response)) return;
      }
    }
  }
}

/** Until the client has taken what waits for it, or is gone. */
async function drained(response: Response): Promise<void> {
  const done = new AbortController();
  const { signal } = done;
  await Promise.race(['drain', 'close'].map((event) => once(response, event, { signal }).catch(() => {})));
  done.abort();
}

const isFull = (steps: number, bytes: number): boolean => steps >= CATCH_UP_STEPS || bytes >= CATCH_UP_BYTES;
const bytesOf = (steps: readonly RecordedStep[]): number =>
  steps.reduce((sum, { report }) => sum + report.measures.byteLength + report.mapping.byteLength, 0);

/** As many as are read at a time. */
function firstOf(steps: Iterable<RecordedStep>): RecordedStep[] {
  const first: RecordedStep[] = [];
  let bytes = 0;
  for (const step of steps) {
    first.push(step);
    bytes += bytesOf([step]);
    if (isFull(first.length, bytes)) break;
  }
  return first;
}

function sendStep(client: Client, run: string, attempt: number, report: StepReport, data: string): void {
  client.positions.set(run, { attempt, step: report.step });
  send(client, 'step', data);
}

function send(client: Client, event: keyof StreamEvents, data: string): void {
  const { response, positions } = client;
  if (response.writableLength > MAX_BACKLOG_BYTES) {
    response.destroy();
    return;
  }
  const id = [...positions].map(([run, p]) => `${run}:${p.attempt}:${p.step}`).join(',');
  write(client, `event: ${event}\n${id === '' ? '' : `id: ${id}\n`}data: ${data}\n\n`);
}

/** Between its end and its close nothing may be written: that would be an error that nobody handles. */
function write({ response }: Client, text: string): void {
  if (!isOver(response)) response.write(text);
}

const isOver = (response: Response): boolean => response.writableEnded || response.destroyed;

/** "hc:1:230,mhc:1:229". */
function parsePositions(request: Request): Client['positions'] {
  const positions: Client['positions'] = new Map();
  const text = request.headers['last-event-id'];
  if (typeof text !== 'string' || text === '') return positions;
  for (const part of text.split(',')) {
    const match = /^([^:]+):(\d+):(\d+)$/.exec(part);
    if (match === null || !isRunName(match[1]))
      throw new FieldError('Last-Event-ID', 'must be RUN:ATTEMPT:STEP, … as in the id of an event', part);
    positions.set(match[1], { attempt: Number(match[2]), step: Number(match[3]) });
  }
  return positions;
}
