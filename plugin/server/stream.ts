/**
 * Server-sent events: every step as it is committed, and each change of a run. A browser that comes back with
 * Last-Event-ID gets from the recordings what it missed, then what comes. A client that does not read is dropped (it
 * comes back and catches up), so that it cannot fill our memory.
 */
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
import { onlyFields, texts } from './query.ts';
import { readRecording, summaryOf } from './runs.ts';

const HEARTBEAT = 15_000;
const BACKLOG_AT_MOST = 8 << 20;
/** Bytes of what was missed that wait for the client at a time. */
const CATCH_UP_AT_MOST = 1 << 20;

interface Client {
  readonly response: Response;
  /** null: every run. */
  readonly runs: ReadonlySet<string> | null;
  /** Where the client stands in each run. */
  readonly positions: Map<string, { attempt: number; step: number }>;
}

export interface Stream {
  readonly sink: Sink;
  handle(request: Request, response: Response): Promise<void>;
  /** Tells of a recording that no run of this process writes. */
  tell<E extends keyof StreamEvents>(event: E, run: string, data: StreamEvents[E]): void;
  /** Ends every connection. */
  close(): void;
}

export function createStream(pipeline: Pipeline): Stream {
  const clients = new Set<Client>();
  const wants = (client: Client, run: string) => client.runs === null || client.runs.has(run);
  const tell: Stream['tell'] = (event, run, data) => {
    const text = JSON.stringify(data);
    for (const client of clients) if (wants(client, run)) send(client, event, text);
  };
  const changed = (run: LiveRun) => tell('run', run.header.run, summaryOf(run));
  const sink: Sink = {
    onOpen: changed,
    onClose: changed,
    onWarning: (run, record) => {
      tell('warning', run.header.run, toWarningAnswer(record));
      changed(run);
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
    tell,
    handle: async (request, response) => {
      onlyFields(request, ['run']);
      const names = texts(request, 'run');
      const client: Client = { response, runs: names.length > 0 ? new Set(names) : null, positions: parsePositions(request) };
      response.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
      response.flushHeaders();
      response.write('retry: 1000\n\n');
      // An event, not a comment, which a page does not see: a tunnel that hangs must be noticed.
      const heartbeat = setInterval(() => response.write('event: beat\ndata: null\n\n'), HEARTBEAT);
      response.on('close', () => {
        clearInterval(heartbeat);
        clients.delete(client);
      });
      await catchUp(pipeline, client);
      if (response.destroyed) return;
      clients.add(client);
      for (const run of pipeline.live.values()) if (wants(client, run.header.run)) startFrom(client, run);
      for (const run of pipeline.live.values()) if (wants(client, run.header.run)) send(client, 'run', JSON.stringify(summaryOf(run)));
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
        steps = readRecording(pipeline, run, (recorder, reader) => [...take(recorder.readSteps(reader, position), 200)]);
      } catch {
        client.positions.delete(run); // its recording is gone or cannot be read: go on with what comes
        continue;
      }
      if (steps.length === 200) waited = true;
      for (const { attempt, header, report } of steps) {
        sendStep(client, run, attempt, report, JSON.stringify(toStepAnswer(header, attempt, report, [], toFloatWire)));
        if (client.response.writableLength < CATCH_UP_AT_MOST) continue;
        waited = true;
        await drained(client.response);
        if (client.response.destroyed) return;
      }
    }
  }
}

/** Until the client has taken what waits for it, or is gone. */
function drained(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

/** The position before the first step that is sent: who goes before that comes back to it. */
function startFrom({ positions }: Client, { header, attempt, last }: LiveRun): void {
  if (last !== null && !positions.has(header.run)) positions.set(header.run, { attempt, step: last.step });
}

function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  let taken = 0;
  for (const item of items) {
    yield item;
    if (++taken === count) return;
  }
}

function sendStep(client: Client, run: string, attempt: number, report: StepReport, data: string): void {
  client.positions.set(run, { attempt, step: report.step });
  send(client, 'step', data);
}

function send(client: Client, event: keyof StreamEvents, data: string): void {
  const { response, positions } = client;
  if (response.writableLength > BACKLOG_AT_MOST) {
    response.destroy();
    return;
  }
  const id = [...positions].map(([run, p]) => `${run}:${p.attempt}:${p.step}`).join(',');
  response.write(`event: ${event}\n${id === '' ? '' : `id: ${id}\n`}data: ${data}\n\n`);
}

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
