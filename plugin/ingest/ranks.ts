/** Who sends a run: its ranks, their stages and connections. It begins when all stages are known; its attempts and its end are runs.ts's. */
import type { ConnectionInfo, RunHeader } from '../../src/telemetry/sample.ts';
import { FieldError } from '../fieldError.ts';
import { openRun } from '../pipeline/pipeline.ts';
import type { RankPlace } from './part.ts';
import { type Ingest, type IngestRun, type Rank, stagesOf } from './run.ts';

/**
 * Changes nothing.
 * @param run null: a new attempt, of which nothing is known
 * @throws FieldError where a rank does not fit what the run has said before (409), or there would be too much of it (429)
 */
export function checkRank(ingest: Ingest, run: IngestRun | null, place: RankPlace, connections: ConnectionInfo[], streams: number): void {
  const { limits } = ingest;
  const known = run?.ranks.get(place.rank);
  if (run !== null && known === undefined && run.ranks.size >= limits.ranks) {
    throw new FieldError('rank', `must be one of the ${limits.ranks} of this run that are known here`, place.rank, 429);
  }
  if (run !== null && run.ranks.size > 0 && place.stages !== run.stages) {
    throw new FieldError('stages', `must be as the other ranks say (${run.stages})`, place.stages, 409);
  }
  if (known !== undefined && known.stage !== place.stage) {
    throw new FieldError('stage', `must be as rank ${place.rank} said before (${known.stage})`, place.stage, 409);
  }
  if (run !== null && run.streams > 0 && streams !== run.streams) {
    throw new FieldError('streams', `must be as before (n = ${run.streams})`, streams, 409);
  }
  const listed = run?.listings.get(place.stage);
  if (listed !== undefined && !sameNames(listed, connections)) {
    throw new FieldError('order', 'must be as at the start of the attempt (a new attempt may have others)', connections.length, 409);
  }
  const all = [...(run?.listings.values() ?? [])].flat().length + (listed === undefined ? connections.length : 0);
  if (all > limits.connections) {
    throw new FieldError('order', `must leave the run at most ${limits.connections} connections`, all, 429);
  }
}

/** Notes a rank that was checked, and the connections of its stage; the first to name them counts. */
export function noteRank(run: IngestRun, place: RankPlace, connections: ConnectionInfo[], streams: number, tokens: number | null): Rank {
  run.stages = place.stages;
  run.worldSize = Math.max(run.worldSize, place.worldSize);
  const counters = { overheadSeconds: 0, samplesDropped: 0, errors: 0 };
  const rank = run.ranks.get(place.rank) ?? { stage: place.stage, replica: null, lastStep: -1, misses: 0, counters, ended: null };
  rank.replica = place.replica;
  run.ranks.set(place.rank, rank);
  if (!run.listings.has(place.stage)) {
    run.listings.set(place.stage, connections);
    run.streams = streams;
    if (tokens !== null) run.tokens = tokens;
  }
  return rank;
}

const sameNames = (a: readonly ConnectionInfo[], b: readonly ConnectionInfo[]): boolean =>
  a.length === b.length && a.every(({ name }, l) => name === b[l].name);

/** Stages may number their layers anew: then each name says its stage. */
function namedApart(stages: readonly ConnectionInfo[][]): ConnectionInfo[] {
  const all = stages.flat();
  if (new Set(all.map(({ name }) => name)).size === all.length) return all;
  return stages.flatMap((connections, stage) => connections.map((one) => ({ ...one, name: `stage${stage}.${one.name}` })));
}

/** The run begins when the connections of all stages are known. */
export function openIfKnown(ingest: Ingest, run: IngestRun): void {
  const stages = stagesOf(run);
  if (run.live !== null || stages.length < run.stages) return;
  const header: RunHeader = { run: run.name, streams: run.streams, tokens: Math.max(1, run.tokens), connections: namedApart(stages) };
  run.live = openRun(ingest.pipeline, header, run.attempt);
  run.lastDone = run.live.recording?.lastStep ?? -1;
}
