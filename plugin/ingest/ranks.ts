/**
 * Who sends a run: its ranks, their stages and connections. It begins when all stages are known; attempts and the end are lifecycle.ts's.
 *
 *   a rank:  unknown ──open, or its first part──► sending ──MAX_MISSES steps in a row without it──► away (no longer waited for)
 *                                                  ▲  │ ▲                                             │
 *                                                  │  │ └──────────── a part of it ───────────────────┤
 *                                     open or part │  └── close ──► ended ◄────────── close ──────────┘
 *                                                  └──────────────────┘
 *   A new attempt forgets all ranks.
 */

import type { RankRange } from '../../src/telemetry/report.ts';
import { type ConnectionInfo, NO_COUNTERS, type RunHeader } from '../../src/telemetry/sample.ts';
import { FieldError } from '../fieldError.ts';
import { openRun } from '../pipeline/pipeline.ts';
import type { Part, RankPosition } from '../wire/part.ts';
import { type Ingest, type IngestRun, type RankState, stagesOf } from './ingestRun.ts';

/** Steps in a row that a rank may miss before it is no longer waited for. Our choice: at 3 s each, ten seconds of a hole in the charts. */
const MAX_MISSES = 3;

/** What a rank has of the model. */
export interface RankModel {
  /** Of its stage. */
  connections: ConnectionInfo[];
  /** n. */
  streams: number;
  /** S; null: not known. */
  tokens: number | null;
}

/** What ranks are checked against. */
interface Known {
  stages: number;
  streams: number;
  listings: Map<number, ConnectionInfo[]>;
  ranks: Map<number, { stage: number }>;
}

/**
 * Do ranks fit the run, and each other? Changes nothing.
 * @param run null: a new attempt, of which nothing is known
 * @throws FieldError where one contradicts what the run has sent before (409), or a limit is reached (429)
 */
export function checkRanks(ingest: Ingest, run: IngestRun | null, sent: readonly (RankPosition & Omit<RankModel, 'tokens'>)[]): void {
  const known: Known = {
    stages: run?.stages ?? 1,
    streams: run?.streams ?? 0,
    listings: new Map(run?.listings),
    ranks: new Map(run?.ranks),
  };
  for (const one of sent) {
    checkRank(ingest, known, one);
    known.stages = one.stages;
    if (!known.ranks.has(one.rank)) known.ranks.set(one.rank, { stage: one.stage });
    if (known.listings.has(one.stage)) continue;
    known.listings.set(one.stage, one.connections);
    known.streams = one.streams;
  }
}

function checkRank(
  { limits }: Ingest,
  run: Known,
  { rank, stage, stages, connections, streams }: RankPosition & Omit<RankModel, 'tokens'>,
): void {
  const known = run.ranks.get(rank);
  if (known === undefined && run.ranks.size >= limits.ranks) {
    throw new FieldError('rank', `must be one of the ${limits.ranks} of this run that are known here`, rank, 429);
  }
  if (run.ranks.size > 0 && stages !== run.stages) {
    throw new FieldError('stages', `must be as the other ranks say (${run.stages})`, stages, 409);
  }
  if (known !== undefined && known.stage !== stage) {
    throw new FieldError('stage', `must be as rank ${rank} said before (${known.stage})`, stage, 409);
  }
  if (run.streams > 0 && streams !== run.streams) {
    throw new FieldError('streams', `must be as before (n = ${run.streams})`, streams, 409);
  }
  const listed = run.listings.get(stage);
  if (listed !== undefined) {
    if (haveSameNames(listed, connections)) return;
    throw new FieldError('order', 'must be as at the start of the attempt (a new attempt may have others)', connections.length, 409);
  }
  const total = [...run.listings.values()].reduce((sum, listing) => sum + listing.length, connections.length);
  if (total > limits.connections) throw new FieldError('order', `must leave the run at most ${limits.connections} connections`, total, 429);
}

/** Notes a rank that was checked, and the connections of its stage; the first to name them counts. */
export function noteRank(
  run: IngestRun,
  { rank: number, stage, stages, worldSize, replica }: RankPosition,
  { connections, streams, tokens }: RankModel,
): RankState {
  run.stages = stages;
  run.worldSize = Math.max(run.worldSize, worldSize);
  const rank = run.ranks.get(number) ?? { stage, replica, lastStep: -1, misses: 0, counters: NO_COUNTERS, ended: null };
  rank.replica = replica;
  run.ranks.set(number, rank);
  if (!run.listings.has(stage)) {
    run.listings.set(stage, connections);
    run.streams = streams;
    if (tokens !== null) run.tokens = tokens;
  }
  return rank;
}

/** Numbers of the ranks that a step waits for: those that are sending. */
export const expectedRanks = ({ ranks }: IngestRun): number[] =>
  [...ranks].filter(([, { ended, misses }]) => ended === null && misses < MAX_MISSES).map(([rank]) => rank);

/** Notes of every rank whether it has part in a step that is assembled; those that are missing and were waited for are counted. */
export function noteStep({ ranks, counts }: IngestRun, parts: ReadonlyMap<number, Part>): void {
  for (const [number, rank] of ranks) {
    const content = parts.get(number)?.content;
    if (content !== undefined) {
      rank.counters = content.report.monitor;
      rank.misses = 0;
    } else if (rank.ended === null) {
      if (rank.misses < MAX_MISSES) counts.stragglers++;
      rank.misses++;
    }
  }
}

/** Ranks that a step has, as pairs of the first and the last of a row. */
export function rangesOf(ranks: Iterable<number>): RankRange[] {
  const ranges: [first: number, last: number][] = [];
  for (const rank of [...ranks].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && rank === last[1] + 1) last[1] = rank;
    else ranges.push([rank, rank]);
  }
  return ranges;
}

const haveSameNames = (a: readonly ConnectionInfo[], b: readonly ConnectionInfo[]): boolean =>
  a === b || (a.length === b.length && a.every(({ name }, l) => name === b[l].name));

/** Stages may number their layers anew: then each name gets its stage before it. */
function withUniqueNames(stages: readonly ConnectionInfo[][]): ConnectionInfo[] {
  const all = stages.flat();
  if (new Set(all.map(({ name }) => name)).size === all.length) return all;
  return stages.flatMap((connections, stage) => connections.map((one) => ({ ...one, name: `stage${stage}.${one.name}` })));
}

/** Opens the run in the pipeline when the connections of all stages are known. */
export function openIfKnown(ingest: Ingest, run: IngestRun): void {
  const stages = stagesOf(run);
  if (run.live !== null || stages.length < run.stages) return;
  const header: RunHeader = { run: run.name, streams: run.streams, tokens: Math.max(1, run.tokens), connections: withUniqueNames(stages) };
  run.live = openRun(ingest.pipeline, header, { source: run.attempt ?? '', key: run.key, fresh: run.isFresh });
  const { recording } = run.live;
  // In whichever recorded attempt: one that goes on with other connections has several.
  const known = recording === null || run.attempt === null ? null : ingest.pipeline.recorder?.lastStepOf(recording.db, run.attempt);
  run.lastAssembled = Math.max(recording?.lastStep ?? -1, known ?? -1);
}
