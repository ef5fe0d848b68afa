/** Stand-ins of a monitor that answer as a test wants, and a sender's queue of small steps to one. */
import { gunzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';
import { closeSendQueue, push } from '../../plugin/sender/sendQueue.ts';
import { createSendQueue, type TakenLimits } from '../../plugin/sender/sendQueueState.ts';
import { readSafetensors } from '../../plugin/wire/safetensors.ts';
import { testHeader, testSample } from './samples.ts';
import { listenLocally } from './servers.ts';
import { bodyOf } from './wire.ts';

export const KEY = 'key-of-this-training';

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}
export interface Asked {
  method: string;
  run: string;
  steps: number[];
  at: number;
  key: string | undefined;
}

const HEADER = testHeader('sent', 1, 2, 2);
/** A small step, as a sender encodes it. @param place rank, world_size … as text */
export const stepBody = (step: number, attempt = 'first', place: Record<string, string> = {}) =>
  bodyOf(HEADER, testSample(HEADER, step), place, attempt);
const stepsIn = (data: Buffer): number[] => {
  const steps: number[] = [];
  for (let at = 0; at < data.length; ) {
    const length = Number(data.readBigUInt64LE(at));
    steps.push(Number(readSafetensors(data.subarray(at + 8, at + 8 + length)).metadata['step']));
    at += 8 + length;
  }
  return steps;
};

export const json = (status: number, value: unknown, headers = {}): Answer => ({
  status,
  headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
  body: JSON.stringify(value),
});
export const refusal = (status: number, rule: string, more = {}, headers = {}) =>
  json(status, { error: { field: 'step', rule, value: 1, ...more } }, headers);
export const stepsAnswer = (count: number, change = {}) =>
  json(200, { accepted: count, duplicates: 0, late: 0, composite_gain: null, warnings: [], ...change });

/** A monitor that takes steps, but where `answer` gives another answer. */
export async function startMonitor(answer: (asked: Asked) => Answer | null) {
  const taken: { run: string; step: number }[] = [];
  const asked: Asked[] = [];
  const closed: string[] = [];
  const port = await listenLocally((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const data = Buffer.concat(chunks);
      const [, , , , run] = request.url!.split('/');
      const steps = request.method === 'POST' ? stepsIn(gunzipSync(data)) : [];
      const one = {
        method: request.method!,
        run,
        steps,
        at: performance.now(),
        key: request.headers['gainwatch-key'] as string | undefined,
      };
      asked.push(one);
      let given = answer(one);
      if (given === null) {
        if (request.method === 'PUT') closed.push(run);
        taken.push(...steps.map((step) => ({ run, step })));
        given = request.method === 'PUT' ? json(200, { run, attempt: 1 }) : stepsAnswer(steps.length);
      }
      response.writeHead(given.status, given.headers).end(given.body);
    });
  });
  return { url: `http://127.0.0.1:${port}/`, taken, asked, closed };
}

/** A sender of `count` steps to it. */
export function startSender(url: string, count: number, options: SenderOptions = {}) {
  const { token = null, limits, key = KEY, attempt = 'first', place = {} } = options;
  const lines: string[] = [];
  const renamed: string[] = [];
  const onProblem = (line: string) => lines.push(line);
  const onRename = (run: string) => renamed.push(run);
  const queue = createSendQueue({ run: 'sent', monitor: { url, token }, key, onAnswer: () => {}, onProblem, onRename }, limits);
  onTestFinished(() => void clearTimeout(queue.timer ?? undefined));
  const add = (...steps: number[]) => {
    for (const step of steps) push(queue, stepBody(step, attempt, place));
  };
  add(...Array.from({ length: count }, (_, i) => i + 1));
  const close = () => closeSendQueue(queue, attempt, 'completed');
  return { queue, lines, renamed, add, close, all: () => lines.join('\n') };
}

interface SenderOptions {
  token?: string | null;
  limits?: TakenLimits;
  key?: string;
  attempt?: string;
  place?: Record<string, string>;
}
