/**
 * The places of a sample, from input to output: one for each connection, and one for each further run of it within a forward pass
 * (looped models, tied depth), named `layer#2`, `layer#3`. The listing only grows. Knows no tensor.
 */
import type { ConnectionInfo } from '../../src/telemetry/sample.ts';

/** Places of a run at most, for each connection. Our choice: a looped model that runs eight times. */
export const MAX_PLACES = 8;

export interface Place {
  /** The connection's number. */
  readonly l: number;
  /** The how manieth of its connection, from 1. */
  readonly number: number;
  readonly info: ConnectionInfo;
}

export interface Listing {
  /** By their slot, which stays: those of the connections first. */
  readonly places: Place[];
  /** Slots from input to output. */
  readonly order: number[];
  /** In this order; another array once it has changed. */
  infos: readonly ConnectionInfo[];
}

/** One place for each connection. */
export function createListing(connections: readonly ConnectionInfo[]): Listing {
  return {
    places: connections.map((info, l) => ({ l, number: 1, info })),
    order: connections.map((_, l) => l),
    infos: connections,
  };
}

/**
 * The place of a run: the next one of its connection behind the run before it, made where there is none. So one that was skipped in a
 * round of a loop leaves its place of that round empty.
 * @param l the connection's number
 * @param before slot of the run that its streams come from; null: none
 * @param connections L
 * @returns its slot; null: there are too many
 */
export function placeOf(listing: Listing, l: number, before: number | null, connections: number): number | null {
  const { places, order } = listing;
  const behind = before === null ? 0 : order.indexOf(before) + 1;
  for (let at = behind; at < order.length; at++) if (places[order[at]].l === l) return order[at];
  if (places.length >= MAX_PLACES * connections) return null;
  const number = places.filter((place) => place.l === l).length + 1;
  const { info } = places[l];
  places.push({ l, number, info: { ...info, name: `${info.name}#${number}` } });
  order.splice(behind, 0, places.length - 1);
  listing.infos = order.map((slot) => places[slot].info);
  return places.length - 1;
}
