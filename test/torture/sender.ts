/**
 * The ranks of a training as the protocol wants senders: steps come one by one, are sent in batches, kept and sent again until they are
 * acknowledged; halved where a batch is refused with 409, given up one by one where one is refused; another name where 409 names one.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type Body, closeBody, openBody, stepsBody } from './bodies.ts';
import { type Ledger, noteAcknowledged, noteSent } from './ledger.ts';
import type { AttemptPlan, Training } from './truth.ts';

export interface Senders {
  readonly url: string;
  readonly ledger: Ledger;
  /** Time of the harness, ms. */
  readonly now: () => number;
  /** Answers to steps and states of the trainings, by status; 0: none came. */
  readonly answers: Map<number, number>;
  /** Parts of steps that were refused for good, by status and field. */
  readonly refused: Map<string, number>;
  readonly random: () => number;
  /** From when on nothing new is made, only what waits is sent. */
  isEnding: boolean;
  /** From when on everything is given up. */
  readonly over: AbortSignal;
  readonly onEvent: (text: string) => void;
  /** The same for each change of what a rank is answered. */
  readonly onDetail: (text: string) => void;
}

interface Answer {
  /** 0: none, or not wholly. */
  status: number;
  free: string | null;
  field: string;
  rule: string;
  retryMs: number;
}

/** Longer than the server waits for ranks and disk before it answers (20 s). */
const TIMEOUT_MS = 30_000;
const MAX_RETRY_MS = 2000;
const MAX_BATCH = 50;

/** One request. Never rejects. A 200 counts only where it was wholly read and is JSON. */
export async function ask({ url, over, answers }: Senders, method: string, path: string, key: string | null, body: Body): Promise<Answer> {
  const request = new AbortController();
  const stop = () => request.abort();
  over.addEventListener('abort', stop);
  const timer = setTimeout(stop, TIMEOUT_MS);
  const answer: Answer = { status: 0, free: null, field: '', rule: '', retryMs: 200 };
  try {
    const headers = { 'Content-Type': body.type, 'Gainwatch-Version': '1', ...(key === null ? {} : { 'Gainwatch-Key': key }) };
    const init = { method, headers, body: new Uint8Array(body.bytes), redirect: 'manual', signal: request.signal } as const;
    const response = await fetch(`${url}/api/v1/runs/${path}`, init);
    const json = (await response.json()) as { error?: { field?: string; rule?: string; value?: unknown; free?: string } };
    answer.status = response.status;
    answer.free = json.error?.free ?? null;
    answer.rule = json.error === undefined ? '' : `${json.error.rule} (${JSON.stringify(json.error.value)})`;
    answer.field = json.error?.field ?? '';
    answer.retryMs = Math.min(MAX_RETRY_MS, 1000 * Number(response.headers.get('Retry-After') ?? 0.2));
  } catch {
    // It is sent again.
  } finally {
    clearTimeout(timer);
    over.removeEventListener('abort', stop);
  }
  answers.set(answer.status, (answers.get(answer.status) ?? 0) + 1);
  return answer;
}

/** All attempts of a training, one after another. @returns parts of steps that are neither acknowledged nor refused at the end */
export async function runTraining(senders: Senders, training: Training): Promise<number> {
  let left = 0;
  await pause(training.at);
  for (const attempt of training.attempts) {
    if (senders.isEnding) break;
    const ranks = Array.from({ length: training.ranks }, (_, rank) => runRank(senders, training, attempt, rank));
    left += (await Promise.all(ranks)).reduce((sum, count) => sum + count, 0);
  }
  return left;
}

async function runRank(senders: Senders, training: Training, attempt: AttemptPlan, rank: number): Promise<number> {
  const { key, stepMs, batch, resends } = training;
  const { random, over } = senders;
  // Each rank may find another; all meet there.
  let { run } = training;
  const isRetried = ({ status }: Answer) => [0, 408, 429].includes(status) || status >= 500;
  const state = async (body: Body) => {
    for (let tries = 0; !over.aborted && tries < 100; tries++) {
      const answer = await ask(senders, 'PUT', run, key, body);
      if (answer.free !== null) run = moveTo(senders, training, rank, run, answer.free);
      else if (!isRetried(answer)) return;
      await pause(answer.retryMs);
    }
  };
  if (training.opens) await state(openBody(training, attempt.name, rank));
  const begun = performance.now();
  const waiting: number[] = [];
  let made = 0;
  let limit = MAX_BATCH;
  let before = '200 ';
  /** What dies leaves here what it has not sent. */
  const isDead = () => !attempt.closes && made === attempt.order.length;
  const isMade = () => senders.isEnding || made === attempt.order.length;
  while (!over.aborted && (!isMade() || waiting.length > 0)) {
    const due = senders.isEnding ? made : Math.min(attempt.order.length, Math.floor((performance.now() - begun) / stepMs) + 1);
    while (made < due) waiting.push(attempt.order[made++]);
    if (waiting.length === 0) {
      await pause(stepMs);
      continue;
    }
    // What has fallen behind sends more at once.
    const most = Math.min(limit, Math.max(batch, waiting.length >> 2));
    const steps = waiting.slice(0, 1 + Math.floor(random() * most));
    noteSent(senders.ledger, run, training, attempt.name, rank, steps);
    const body = stepsBody(training, attempt.name, rank, steps);
    const answer = await ask(senders, 'POST', `${run}/steps`, key, body);
    const said = `${answer.status} ${answer.field}`;
    if (said !== before)
      senders.onDetail(`training ${training.id}, rank ${rank}, ${steps.length} steps from ${steps[0]} to ${run}: ${said} ${answer.rule}`);
    before = said;
    if (answer.status === 200) {
      noteAcknowledged(senders.ledger, run, attempt.name, rank, steps, senders.now());
      waiting.splice(0, steps.length);
      limit = Math.min(MAX_BATCH, 2 * limit);
      if (random() < resends) await resend(senders, training, attempt.name, rank, run, steps);
    } else if (answer.free !== null) run = moveTo(senders, training, rank, run, answer.free);
    else if (isRetried(answer)) {
      await pause(answer.retryMs);
      if (isDead()) return 0;
    } else if (answer.status === 409 && steps.length > 1) limit = steps.length >> 1;
    else {
      const reason = `${answer.status} ${answer.field}`;
      senders.refused.set(reason, (senders.refused.get(reason) ?? 0) + steps.length);
      waiting.splice(0, steps.length);
    }
  }
  if (attempt.closes) await state(closeBody(training, attempt.name, rank));
  const left = waiting.length;
  if (left > 0)
    senders.onEvent(`training ${training.id}, rank ${rank}: ${left} steps of ${attempt.name} on ${run} are left, from ${waiting[0]} on`);
  return left;
}

function moveTo({ onEvent }: Senders, training: Training, rank: number, run: string, free: string): string {
  onEvent(`training ${training.id}, rank ${rank}: goes over from ${run} to ${free}`);
  return free;
}

/** What was acknowledged comes again, whole or in part, as after a lost answer. */
async function resend(
  senders: Senders,
  training: Training,
  attempt: string,
  rank: number,
  run: string,
  steps: readonly number[],
): Promise<void> {
  const some = steps.slice(Math.floor(senders.random() * steps.length));
  await ask(senders, 'POST', `${run}/steps`, training.key, stepsBody(training, attempt, rank, some));
}
