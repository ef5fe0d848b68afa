/** One seed from its plan to its findings: server, senders and faults together, then all is healed, drained, stopped and looked into. */
import { setMaxListeners } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { seededRandom } from '../../src/model/random.ts';
import { closeBody, stepsBody } from './bodies.ts';
import { check, type Finding } from './check.ts';
import { befall, type FaultState } from './faults.ts';
import { countAcknowledged, type Ledger, noteAcknowledged, noteSent } from './ledger.ts';
import type { FaultKind, Plan, StrangerPlan } from './plan.ts';
import { type RecordingFile, readRows, type StepRow } from './recordingRows.ts';
import { ask, runTraining, type Senders } from './sender.ts';
import { CLI, createServerState, endServer, lastLines, removeServer, startServer } from './server.ts';

export interface SeedResult {
  readonly seed: number;
  /** Parts of steps. */
  readonly acknowledged: number;
  readonly findings: readonly Finding[];
  /** Recordings that cannot be read. */
  readonly damaged: readonly string[];
  /** Parts that were neither acknowledged nor refused when the time was up. */
  readonly left: number;
  /** By status and field. */
  readonly refused: ReadonlyMap<string, number>;
  readonly answers: ReadonlyMap<number, number>;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly skipped: ReadonlyMap<FaultKind, number>;
  readonly secondServers: number;
  /** The server died by itself, or did not end when told to. */
  readonly crashes: number;
}

/** What senders have for the rest once all is healed. Our choice: three answers that waited for ranks to the end. */
const DRAIN_MS = 75_000;

/** Before its first fault. Our choice. */
const MAX_STARTS = 5;

/**
 * @param onEvent gets what happens, with its time in ms
 * @param isDetailed what each rank is answered too
 * @param cli the program to torture; the one built here unless given
 */
export async function tortureSeed(
  plan: Plan,
  onEvent: (ms: number, text: string) => void,
  { isDetailed = false, cli = CLI } = {},
): Promise<SeedResult> {
  const begun = performance.now();
  const now = () => Math.round(performance.now() - begun);
  const tell = (text: string) => onEvent(now(), text);
  const server = await createServerState(cli, tell, (line) => isDetailed && tell(`the server: ${line}`));
  try {
    const ledger: Ledger = new Map();
    const over = new AbortController();
    setMaxListeners(0, over.signal);
    const random = seededRandom(plan.seed + 1e6);
    const counts = { answers: new Map(), refused: new Map() };
    const senders: Senders = {
      url: server.url,
      ledger,
      now,
      ...counts,
      random,
      isEnding: false,
      over: over.signal,
      onEvent: tell,
      onDetail: (text) => isDetailed && tell(text),
    };
    const none = { away: [], done: new Map(), skipped: new Map(), secondServers: 0, busy: Promise.resolve() };
    const faults: FaultState = { server, now, ...none, onEvent: tell };
    startServer(server);
    while (!server.listens) {
      if (server.starts > MAX_STARTS) throw new Error(`the server does not start: ${lastLines(server)}`);
      await pause(20);
    }
    const start = now();
    const at = (ms: number) => pause(Math.max(0, start + ms - now()));
    const trainings = plan.trainings.map((training) => runTraining(senders, training));
    const strangers = plan.strangers.map((stranger) => at(stranger.at).then(() => intrude(senders, stranger)));
    await Promise.all(plan.faults.map((fault) => at(fault.at).then(() => befall(faults, fault))));
    await Promise.all(strangers);
    tell('all is healed');
    senders.isEnding = true;
    const timer = setTimeout(() => over.abort(), DRAIN_MS);
    const left = (await Promise.all(trainings)).reduce((sum, count) => sum + count, 0);
    clearTimeout(timer);
    const ended = await endServer(server, 'SIGTERM');
    tell(ended ? 'the server has ended' : 'the server did not end');
    const { rows, damaged } = readAll([...filesIn(server.runs), ...faults.away]);
    return {
      seed: plan.seed,
      acknowledged: countAcknowledged(ledger),
      findings: check(ledger, rows),
      damaged,
      left,
      ...counts,
      faults: faults.done,
      skipped: faults.skipped,
      secondServers: faults.secondServers,
      crashes: server.crashes + (ended ? 0 : 1),
    };
  } finally {
    removeServer(server);
  }
}

const filesIn = (runs: string): RecordingFile[] =>
  readdirSync(runs)
    .filter((name) => name.endsWith('.sqlite'))
    .map((name) => ({ path: join(runs, name), place: 'runs' }));

function readAll(files: readonly RecordingFile[]): { rows: StepRow[]; damaged: string[] } {
  const rows: StepRow[] = [];
  const damaged: string[] = [];
  for (const file of files.filter(({ path }) => existsSync(path))) {
    try {
      rows.push(...readRows(file));
    } catch (error) {
      damaged.push(`${file.place} ${file.path}: ${(error as Error).message}`);
    }
  }
  return { rows, damaged };
}

/** Somebody sends something once by the name of another's run. What is taken is held against the recordings like all. */
async function intrude(senders: Senders, { what, run, training }: StrangerPlan): Promise<void> {
  const [{ name, order }] = training.attempts;
  if (what === 'close without attempt') {
    const { status } = await ask(senders, 'PUT', run, null, closeBody(training, '', 0));
    senders.onEvent(`a stranger closes ${run}: ${status}`);
    return;
  }
  noteSent(senders.ledger, run, training, name, 0, order);
  const { status } = await ask(senders, 'POST', `${run}/steps`, null, stepsBody(training, name, 0, order));
  senders.onEvent(`a stranger sends a step to ${run}: ${status}`);
  if (status === 200) noteAcknowledged(senders.ledger, run, name, 0, order, senders.now());
}
