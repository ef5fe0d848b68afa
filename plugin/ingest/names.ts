/**
 * What the connections of a pipeline's stages are called in the run. Stages may number their layers anew: then each name gets its stage
 * before it. What a connection is called once it is called for ever, also after a restart of this process.
 */
import type { Listing } from '../../src/telemetry/listing.ts';

/** Names of one attempt in its run. */
export interface StageNames {
  /** By the stage and its own name. */
  readonly given: Map<string, string>;
  readonly taken: Set<string>;
  /** Names that the recording of the attempt has. */
  readonly recorded: ReadonlySet<string>;
  /** Have all names their stage before them? */
  prefixes: boolean;
}

/** Of a run: how many stages it has, and what theirs are called. */
interface Named {
  readonly stages: number;
  readonly names: StageNames;
}

/** @param recorded names that the recording of the attempt has */
export const createNames = (recorded: readonly string[] = []): StageNames => ({
  given: new Map(),
  taken: new Set(),
  recorded: new Set(recorded),
  prefixes: recorded.length > 0 && recorded.every((name) => /^stage\d+\./.test(name)),
});

/** Connections of a stage by the names that they have in the run; new ones are named. @param connections as the stage sends them */
export function namedOf({ stages, names }: Named, stage: number, connections: Listing): Listing {
  if (stages === 1) return connections;
  const named = connections.map(({ name }) => nameOf(names, stage, name));
  return connections.every(({ name }, l) => name === named[l]) ? connections : connections.map((one, l) => ({ ...one, name: named[l] }));
}

function nameOf({ given, taken, recorded, prefixes }: StageNames, stage: number, own: string): string {
  const key = `${stage} ${own}`;
  let name = given.get(key);
  if (name !== undefined) return name;
  const long = `stage${stage}.${own}`;
  name = prefixes || recorded.has(long) ? long : own;
  while (taken.has(name)) name = `stage${stage}.${name}`;
  given.set(key, name);
  taken.add(name);
  return name;
}

/**
 * Connections of all stages by their names in the run, as it begins: where two stages have a name in common, all have their stage before
 * it.
 * @param stages as each sends them
 */
export function nameStages(run: Named, stages: readonly Listing[]): Listing[] {
  const all = stages.flat();
  const isCommon = new Set(all.map(({ name }) => name)).size < all.length;
  if (isCommon && run.names.recorded.size === 0) run.names.prefixes = true;
  return stages.map((listing, stage) => namedOf(run, stage, listing));
}
