/**
 * Where the connections of a recorded attempt stand in its arrays. They become more while the attempt goes on, anywhere from input to
 * output; in the arrays each keeps the place that it got first (its slot), so that a row has the first so many slots, and none is written
 * again.
 */

import { indexOf, type Listing } from '../../src/telemetry/listing.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { ConnectionInfo, RunHeader } from '../../src/telemetry/sample.ts';
import { placesIn, widenMeasures, widenReport } from '../../src/telemetry/widen.ts';
import type { Bucket } from './buckets.ts';

export interface RecordedListing {
  /** With the connections from input to output, as all of them are in memory. */
  readonly header: RunHeader;
  /** In the order of the arrays. */
  readonly bySlot: Listing;
}

/** Of an attempt that begins. */
export const newListing = (header: RunHeader): RecordedListing => ({ header, bySlot: header.connections });

/** The same with more connections. @param header names all that are known, and new ones */
export function grownListing({ bySlot }: RecordedListing, header: RunHeader): RecordedListing {
  const known = indexOf(bySlot);
  const added = header.connections.filter(({ name }) => !known.has(name));
  return { header, bySlot: added.length === 0 ? bySlot : [...bySlot, ...added] };
}

/** As the columns `connections` and `slots` keep it: JSON; no slots where each connection stands where it is listed. */
export function listingColumns({ header, bySlot }: RecordedListing): { connections: string; slots: string | null } {
  const places = placesIn(bySlot, header.connections);
  return { connections: JSON.stringify(header.connections), slots: places === null ? null : JSON.stringify([...places]) };
}

/** The order of the arrays again. @param slots as its column has it; not there before version 7 @throws SyntaxError where it is no JSON */
export function slotOrder(connections: Listing, slots: string | null | undefined): Listing {
  if (slots == null) return connections;
  const order = new Array<ConnectionInfo>(connections.length);
  (JSON.parse(slots) as number[]).forEach((slot, l) => {
    order[slot] = connections[l];
  });
  return order;
}

/** As a row keeps a report. */
export const toSlots = (report: StepReport, { header, bySlot }: RecordedListing): StepReport =>
  widenReport(report, header.connections, bySlot, header.streams);

/** A report again, as of all connections. @param layers that its row has */
export const fromSlots = (report: StepReport, layers: number, { header, bySlot }: RecordedListing): StepReport =>
  widenReport(report, bySlot.length === layers ? bySlot : bySlot.slice(0, layers), header.connections, header.streams);

/** Minima and maxima of a bucket as of other connections. */
export function widenBucket(bucket: Bucket, from: Listing, to: Listing, streams: number): Bucket {
  const places = placesIn(from, to);
  if (places === null) return bucket;
  const widened = (side: Float32Array) => widenMeasures(side, from.length, places, streams);
  return { ...bucket, measuresMin: widened(bucket.measuresMin), measuresMax: widened(bucket.measuresMax) };
}
