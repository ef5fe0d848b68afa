/**
 * The connections of an attempt, which become more while it goes on: a module that runs again within a step (`layer#2`), a layer that was
 * dropped in the first steps. Names only; what a step is without some of them is widen.ts's.
 */
import { boundOf, type ConnectionInfo, type RunHeader } from './sample.ts';

export type Listing = readonly ConnectionInfo[];

const indices = new WeakMap<Listing, ReadonlyMap<string, number>>();

/** Position of each connection by its name; kept, as listings are never changed but replaced. */
export function indexOf(listing: Listing): ReadonlyMap<string, number> {
  let index = indices.get(listing);
  if (index === undefined) {
    index = new Map(listing.map(({ name }, l) => [name, l]));
    indices.set(listing, index);
  }
  return index;
}

/** The same connection, known to be the same? */
export const isSameInfo = (a: ConnectionInfo, b: ConnectionInfo): boolean =>
  a === b || (a.name === b.name && a.kind === b.kind && a.convention === b.convention && boundOf(a) === boundOf(b));

/** The same names in the same order? */
export const haveSameNames = (a: Listing, b: Listing): boolean =>
  a === b || (a.length === b.length && a.every(({ name }, l) => name === b[l].name));

/**
 * What is known of an attempt's connections once a step has named some of them: nothing goes and nothing that is known changes its order;
 * what is new comes after its predecessor in the step, without one before the first that is known, else at the end; of one that is known
 * the newest kind, convention and bound count.
 * @returns `known` itself where nothing is new
 */
export function mergeListing(known: Listing, sent: Listing): Listing {
  if (known === sent || (known.length === sent.length && known.every((one, l) => isSameInfo(one, sent[l])))) return known;
  const index = indexOf(known);
  const isOld = (one: ConnectionInfo) => {
    const l = index.get(one.name);
    return l !== undefined && isSameInfo(known[l], one);
  };
  if (sent.every(isOld)) return known;
  const newest = new Map(sent.map((one) => [one.name, one]));
  /** New ones behind a known one, by its name; and those at the start of the step, which none is before. */
  const behind = new Map<string, ConnectionInfo[]>();
  const first: ConnectionInfo[] = [];
  let row = first;
  let firstKnown: string | null = null;
  for (const one of sent) {
    if (!index.has(one.name)) row.push(one);
    else {
      firstKnown ??= one.name;
      row = [];
      behind.set(one.name, row);
    }
  }
  const merged = known.flatMap((one) => [
    ...(one.name === firstKnown ? first : []),
    newest.get(one.name) ?? one,
    ...(behind.get(one.name) ?? []),
  ]);
  return firstKnown === null ? [...merged, ...first] : merged;
}

/**
 * The header of an attempt once a step has named its connections. n is that of the connections: as long as there are none, any.
 * @returns `known` itself where nothing is new
 */
export function mergeHeader(known: RunHeader, { connections: sent, streams }: Pick<RunHeader, 'connections' | 'streams'>): RunHeader {
  const connections = mergeListing(known.connections, sent);
  if (connections === known.connections) return known;
  return { ...known, connections, streams };
}
