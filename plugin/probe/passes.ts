/**
 * Which runs of connections within a step are one forward pass. A connection that runs again on what it gave before is repeated, and
 * counts again (looped models, tied depth); one that runs again on other streams belongs to another pass (a micro-batch, the other
 * half of a pair): the last pass counts. What is recomputed in the backward pass is no run. Where streams come from, the tape tells.
 */
import * as tf from '@tensorflow/tfjs';
import { type Listing, placeOf } from './places.ts';

type Tape = ReturnType<typeof tf.engine>['state']['activeTape'];

/** One run of a connection. */
export interface Run {
  /** The connection's number. */
  readonly l: number;
  /** The run that its streams come from; null: none. */
  readonly before: Run | null;
  /** What records it; null: it will not be differentiated. */
  readonly tape: Tape | null;
  /** Its place in the sample; null: it has none, or no more. */
  slot: number | null;
  /** Runs of the step before it. */
  readonly at: number;
  /** Nodes on the tape after it. */
  end: number;
  /** Ids of the tensors that it gave. */
  gave: readonly number[];
  /** Did it run where the tape sees nothing, in a function that is recomputed? */
  readonly hidden: boolean;
}

export interface Pass {
  /** Those that count, as they ran. */
  runs: Run[];
  /** The newest run that a tensor comes from, by its id, as far as the tape was followed. */
  from: Map<number, Run>;
  tape: Tape | null;
  /** Nodes of the tape that were followed, or come before the first run. */
  followed: number;
  /** Runs of the step so far. */
  count: number;
}

/** Nothing has run. */
export const createPass = (): Pass => ({ runs: [], from: new Map(), tape: null, followed: 0, count: 0 });

/**
 * Takes a run into the pass, or begins another pass with it.
 * @param streams what the connection reads
 * @param connections L
 * @returns null: it is no run of a pass (recomputed, or evaluated beside a pass that is differentiated)
 */
export function beginRun(pass: Pass, listing: Listing, l: number, streams: readonly tf.Tensor[], connections: number): Run | null {
  const { gradientDepth, kernelDepth, activeTape, scopeStack } = tf.engine().state;
  if (scopeStack.some(({ name }) => name === 'backward')) return null;
  const tape = gradientDepth > 0 ? activeTape : null;
  const tapeBefore = pass.runs.at(-1)?.tape ?? null;
  if (tapeBefore !== null && tape !== tapeBefore) {
    if (tape === null) return null;
    keepChain(pass, null);
  }
  const hidden = kernelDepth > 0;
  const before = originOf(pass, streams, tape, hidden);
  const known = pass.runs.findLast((run) => run.l === l);
  if (known !== undefined && !comesFrom(before, known)) keepChain(pass, before);
  let placed = before;
  while (placed?.slot === null) placed = placed.before;
  const run: Run = {
    l,
    before,
    tape,
    slot: placeOf(listing, l, placed?.slot ?? null, connections),
    at: pass.count++,
    end: 0,
    gave: [],
    hidden,
  };
  pass.runs.push(run);
  return run;
}

/**
 * @param streams what the connection gave: what reads them comes from it
 * @param late have they perhaps been read by now?
 */
export function endRun(pass: Pass, run: Run, streams: readonly tf.Tensor[], late = false): void {
  const { tape } = run;
  const gave = streams.map(({ id }) => id);
  const made = late && tape !== null ? tape.findLastIndex(({ outputs }) => outputs.some(({ id }) => gave.includes(id))) : -1;
  Object.assign(run, { gave, end: tape?.length ?? 0 });
  const readSince = made < 0 ? run.end : made + 1;
  if (pass.from.size === 0) Object.assign(pass, { tape, followed: readSince });
  else pass.followed = Math.min(pass.followed, readSince);
  for (const id of gave) pass.from.set(id, run);
}

/** Is it that run, or do its streams come from it? */
function comesFrom(run: Run | null, other: Run): boolean {
  let one = run;
  while (one !== null && one.at > other.at) one = one.before;
  return one === other;
}

/** Only a run and those that its streams come from are left of the pass; null: none. */
function keepChain(pass: Pass, last: Run | null): void {
  const kept = new Set<Run>();
  for (let run = last; run !== null; run = run.before) kept.add(run);
  for (const run of pass.runs) if (!kept.has(run)) run.slot = null;
  pass.runs = pass.runs.filter((run) => kept.has(run));
  pass.from = new Map([...pass.from].filter(([, run]) => kept.has(run)));
}

/**
 * The newest run that these tensors come from: as they are, or by operations on the tape. Within a function that is recomputed, of which
 * the tape gets one node at its end, it is the run before.
 */
function originOf(pass: Pass, tensors: readonly tf.Tensor[], tape: Tape | null, hidden: boolean): Run | null {
  const last = pass.runs.at(-1) ?? null;
  if (last === null || tensors.some(({ id }) => pass.from.get(id) === last)) return last;
  if (hidden && last.hidden && tape?.length === last.end) return last;
  if (tape !== null) follow(pass, tape);
  return newestOf(pass, tensors);
}

/** Notes of what was put on the tape since where it comes from. */
function follow(pass: Pass, tape: Tape): void {
  const { from } = pass;
  if (pass.tape !== tape) Object.assign(pass, { tape, followed: 0 });
  for (; pass.followed < tape.length; pass.followed++) {
    const { inputs, outputs } = tape[pass.followed];
    const run = newestOf(pass, Object.values(inputs));
    if (run === null) continue;
    for (const { id } of outputs) if (run.at > (from.get(id)?.at ?? -1)) from.set(id, run);
  }
}

function newestOf({ from }: Pass, tensors: readonly tf.Tensor[]): Run | null {
  let newest: Run | null = null;
  for (const { id } of tensors) {
    const run = from.get(id);
    if (run !== undefined && (newest === null || run.at > newest.at)) newest = run;
  }
  return newest;
}
