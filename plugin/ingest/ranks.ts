/** Who sends a run: its ranks, their stages and connections. It begins when all stages are known; its attempts and its end are runs.ts's. */
import type { ConnectionInfo, RunHeader } from '../../src/telemetry/sample.ts';
import { FieldError } from '../fieldError.ts';
import { openRun } from '../pipeline.ts';
import type { Part, RankPlace } from './part.ts';
import { type Ingest, type IngestRun, type Rank, stagesOf } from './run.ts';

/** Notes where a rank stands, or checks that it is where it was. */
export function placeRank(ingest: Ingest, run: IngestRun, place: RankPlace): Rank {
  const known = run.ranks.get(place.rank);
  if (known === undefined && run.ranks.size >= ingest.limits.ranks) {
    throw new FieldError('rank', `must be one of the ${ingest.limits.ranks} of this run that are known here`, place.rank, 429);
  }
  if (run.ranks.size > 0 && place.stages !== run.stages) {
    throw new FieldError('stages', `must be as the other ranks say (${run.stages})`, place.stages, 409);
  }
  if (known !== undefined && known.stage !== place.stage) {
    throw new FieldError('stage', `must be as rank ${place.rank} said before (${known.stage})`, place.stage, 409);
  }
  run.stages = place.stages;
  run.worldSize = Math.max(run.worldSize, place.worldSize);
  const rank = known ?? { stage: place.stage, replica: null, lastStep: -1, misses: 0, ended: null };
  rank.replica = place.replica;
  run.ranks.set(place.rank, rank);
  return rank;
}

/** Notes the connections of a stage, or checks that they are as they were. */
export function list(
  ingest: Ingest,
  run: IngestRun,
  { stage, connections }: Pick<Part, 'stage' | 'connections'>,
  streams: number,
  tokens: number | null,
): void {
  const known = run.listings.get(stage);
  if (run.streams > 0 && streams !== run.streams) throw new FieldError('streams', `must be as before (n = ${run.streams})`, streams, 409);
  if (known !== undefined) {
    if (!sameNames(known, connections)) {
      throw new FieldError('order', 'must be as at the start of the attempt (a new attempt may have others)', connections.length, 409);
    }
    return;
  }
  const others = [...run.listings.values()].flat();
  const all = others.length + connections.length;
  if (all > ingest.limits.connections)
    throw new FieldError('order', `must leave the run at most ${ingest.limits.connections} connections`, all, 429);
  run.listings.set(stage, connections);
  run.streams = streams;
  if (tokens !== null) run.tokens = tokens;
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
