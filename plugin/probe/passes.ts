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
  /** Did it run where the tape sees nothing, in a function that is recomputed? */
  readonly hidden: boolean;
}

export interface Pass {
  /** Those that count, as they ran. */
  runs: Run[];
  /** By the id of a tensor that they gave. */
  gave: Map<number, Run>;
  /** Runs of the step so far. */
  count: number;
}

/** Nothing has run. */
export const createPass = (): Pass => ({ runs: [], gave: new Map(), count: 0 });

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
    keepOnly(pass, new Set());
  }
  const hidden = kernelDepth > 0;
  const before = originOf(pass, streams, tape, hidden);
  if (pass.runs.some((run) => run.l === l)) {
    const chain = new Set(chainOf(before));
    if (pass.runs.some((run) => run.l === l && !chain.has(run))) keepOnly(pass, chain);
  }
  let placed = before;
  while (placed?.slot === null) placed = placed.before;
  const run = { l, before, tape, slot: placeOf(listing, l, placed?.slot ?? null, connections), at: pass.count++, end: 0, hidden };
  pass.runs.push(run);
  return run;
}

/** @param streams what the connection gave: what reads them comes from it */
export function endRun(pass: Pass, run: Run, streams: readonly tf.Tensor[]): void {
  run.end = run.tape?.length ?? 0;
  for (const { id } of streams) pass.gave.set(id, run);
}

/** A run and those that its streams come from. */
function chainOf(run: Run | null): Run[] {
  const chain: Run[] = [];
  for (let one = run; one !== null; one = one.before) chain.push(one);
  return chain;
}

function keepOnly(pass: Pass, kept: ReadonlySet<Run>): void {
  for (const run of pass.runs) if (!kept.has(run)) run.slot = null;
  pass.runs = pass.runs.filter((run) => kept.has(run));
  pass.gave = new Map([...pass.gave].filter(([, run]) => kept.has(run)));
}

/**
 * The newest run that these tensors come from: as they are, or by operations on the tape. Within a function that is recomputed, of which
 * the tape gets one node at its end, it is the run before.
 */
function originOf({ gave, runs }: Pass, tensors: readonly tf.Tensor[], tape: Tape | null, hidden: boolean): Run | null {
  const last = runs.at(-1) ?? null;
  if (last === null || tensors.some(({ id }) => gave.get(id) === last)) return last;
  if (hidden && last.hidden && tape?.length === last.end) return last;
  let newest: Run | null = null;
  const open = new Set<number>();
  const look = ({ id }: tf.Tensor) => {
    const run = gave.get(id);
    if (run === undefined) open.add(id);
    else if (newest === null || run.at > newest.at) newest = run;
  };
  tensors.forEach(look);
  const newestEnd = () => (newest as Run | null)?.end ?? 0;
  for (let i = (tape?.length ?? 0) - 1; i >= newestEnd() && open.size > 0; i--) {
    const { inputs, outputs } = tape![i];
    if (outputs.some(({ id }) => open.has(id))) Object.values(inputs).forEach(look);
  }
  return newest;
}
