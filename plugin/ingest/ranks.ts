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

import { indexOf, type Listing, mergeListing } from '../../src/telemetry/listing.ts';
import type { RankRange } from '../../src/telemetry/report.ts';
import { NO_COUNTERS, type RunHeader } from '../../src/telemetry/sample.ts';
import type { SelfTestEntry } from '../../src/telemetry/selfTest.ts';
import { FieldError } from '../fieldError.ts';
import { extendRun } from '../pipeline/extendRun.ts';
import { noteSelfTest, openRun } from '../pipeline/pipeline.ts';
import { checkWhole } from '../wire/bodyLimits.ts';
import type { Part, RankPosition } from '../wire/part.ts';
import { type Ingest, type IngestRun, type RankState, stagesOf } from './ingestRun.ts';
import { namedOf, nameStages } from './names.ts';

/** Steps in a row that a rank may miss before it is no longer waited for. Our choice: at 3 s each, ten seconds of a hole in the charts. */
const MAX_MISSES = 3;

/** What a rank has of the model. */
export interface RankModel {
  /** Of its stage: those of a step, or all that it knows of. */
  connections: Listing;
  /** n; of no meaning without connections. */
  streams: number;
  /** S; null: not known. */
  tokens: number | null;
  /** What it found of its connections. */
  selfTest?: readonly SelfTestEntry[];
}

/** What ranks are checked against. */
interface Known {
  stages: number;
  streams: number;
  listings: Map<number, Listing>;
  ranks: Map<number, { stage: number }>;
}

const countOf = (listings: ReadonlyMap<number, Listing>): number => [...listings.values()].reduce((sum, { length }) => sum + length, 0);

/**
 * Do ranks fit the run, and each other? Changes nothing.
 * @param run null: a new attempt, of which nothing is known
 * @throws FieldError where one contradicts what the run has sent before (409), or a limit is reached (413, 429)
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
    known.listings.set(one.stage, mergeListing(known.listings.get(one.stage) ?? [], one.connections));
    if (one.connections.length > 0) known.streams = one.streams;
  }
  checkWhole(sent.length, Math.max(countOf(known.listings), run?.live?.header.connections.length ?? 0), known.streams);
}

function checkRank(
  { limits }: Ingest,
  run: Known,
  { attempt, rank, stage, stages, connections, streams }: RankPosition & Omit<RankModel, 'tokens'>,
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
  if (run.streams > 0 && connections.length > 0 && streams !== run.streams) {
    throw new FieldError('streams', `must be as before (n = ${run.streams})`, streams, 409);
  }
  const listed = run.listings.get(stage) ?? [];
  // Of a sender without attempts that would be another model.
  if (attempt === null && listed.length > 0 && connections.length > 0 && !connections.some(({ name }) => indexOf(listed).has(name))) {
    const rule = 'must have one of the connections that are known, or a name of the attempt (a new attempt may have others)';
    throw new FieldError('order', rule, connections[0].name, 409);
  }
  const total = countOf(run.listings) + mergeListing(listed, connections).length - listed.length;
  if (total > limits.connections) throw new FieldError('order', `must leave the run at most ${limits.connections} connections`, total, 429);
}

/** Notes a rank that was checked, and the connections of its stage that it names. */
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
  if (!run.listings.has(stage) && tokens !== null) run.tokens = tokens;
  run.listings.set(stage, mergeListing(run.listings.get(stage) ?? [], connections));
  if (connections.length > 0) run.streams = streams;
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

/** Opens the run in the pipeline when the connections of all stages are known. */
export function openIfKnown(ingest: Ingest, run: IngestRun): void {
  if (run.live !== null || stagesOf(run).length < run.stages) return;
  const connections = nameStages(run, stagesOf(run)).flat();
  const header: RunHeader = { run: run.name, streams: Math.max(1, run.streams), tokens: Math.max(1, run.tokens), connections };
  run.live = openRun(ingest.pipeline, header, { source: run.attempt ?? '', key: run.key, fresh: run.isFresh });
  // What is recorded counts as known.
  if (run.stages === 1) run.listings.set(0, run.live.header.connections);
  const { recording } = run.live;
  // In whichever recorded attempt: one of which n has changed has several.
  const known = recording === null || run.attempt === null ? null : ingest.pipeline.recorder?.lastStepOf(recording.db, run.attempt);
  run.lastAssembled = Math.max(recording?.lastStep ?? -1, known ?? -1);
  passSelfTest(ingest, run);
}

/** What a rank says of its connections as it opens, to a run that goes on; and what it found of them. */
export function noteOpened(ingest: Ingest, run: IngestRun, stage: number, { connections, streams, selfTest = [] }: RankModel): void {
  run.selfTest.push(...selfTest.map((entry) => ({ stage, entry })));
  if (run.live === null) return;
  extendRun(ingest.pipeline, run.live, { connections: namedOf(run, stage, connections), streams });
  passSelfTest(ingest, run);
}

/** To a run that has begun, by the names that its connections have there. */
function passSelfTest({ pipeline }: Ingest, run: IngestRun): void {
  if (run.live === null || run.selfTest.length === 0) return;
  const named = run.selfTest.map(({ stage, entry }): SelfTestEntry => {
    const [{ name }] = namedOf(run, stage, [{ name: entry.connection, kind: 'own', convention: null }]);
    return { ...entry, connection: name };
  });
  run.selfTest = [];
  noteSelfTest(pipeline, run.live, named);
}
