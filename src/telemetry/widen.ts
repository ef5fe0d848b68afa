/**
 * A report of some connections as one of more: those that it lacks did not run in its step, so they were the identity. Of the identity a
 * gain is 1 and a deviation 0, a product over the depth passes through it as it is, and what would have to be measured (logits, norms,
 * memory) is NaN. By name, so that no index is taken for another. Pure.
 */
import { MEASURES, type MeasureKey } from './catalogue.ts';
import { haveSameNames, indexOf, type Listing } from './listing.ts';
import type { RankReport, StepReport } from './report.ts';
import { MEMORY_KINDS, type MemorySample } from './sample.ts';

/** Of the identity; all others are NaN. */
const OF_IDENTITY: Partial<Record<MeasureKey, number>> = {
  forwardGain: 1,
  backwardGain: 1,
  forwardGainBound: 1,
  backwardGainBound: 1,
  compositeForwardGain: 1,
  compositeBackwardGain: 1,
  rowDeviation: 0,
  columnDeviation: 0,
  compositeRowDeviation: 0,
  compositeColumnDeviation: 0,
  negativity: 0,
  rowSumMin: 1,
  columnSumMin: 1,
  separation: 1,
  routingEntropy: 0,
};
/** Undefined for one stream. */
const OF_SEVERAL: readonly MeasureKey[] = ['separation', 'routingEntropy'];
/** Of the product up to a connection: that of the one before it. */
const OF_PREFIX: readonly MeasureKey[] = ['compositeForwardGain', 'compositeRowDeviation', 'compositeColumnDeviation', 'separation'];
/** Of the product from a connection on: that of the one after it. */
const OF_SUFFIX: readonly MeasureKey[] = ['compositeBackwardGain'];

/** Where each connection of a listing stands in another; −1: it is not there. null: both name the same in the same order. */
export function placesIn(from: Listing, to: Listing): Int32Array | null {
  if (haveSameNames(from, to)) return null;
  const index = indexOf(from);
  return Int32Array.from(to, ({ name }) => index.get(name) ?? -1);
}

/**
 * One measure of all connections.
 * @param values of those that are there
 * @param places of each connection of `out` among them, as `placesIn` has them
 * @param streams n
 * @param out receives one value per place
 */
export function widenMeasure(
  key: MeasureKey,
  values: ArrayLike<number>,
  places: Int32Array,
  streams: number,
  out: Float32Array | Float64Array,
): void {
  const none = isSent(values) && !(streams === 1 && OF_SEVERAL.includes(key)) ? (OF_IDENTITY[key] ?? Number.NaN) : Number.NaN;
  const [isPrefix, isSuffix] = [OF_PREFIX.includes(key), OF_SUFFIX.includes(key)];
  let last = none;
  for (let i = 0; i < places.length; i++) {
    const l = isSuffix ? places.length - 1 - i : i;
    const value = places[l] < 0 ? last : values[places[l]];
    out[l] = value;
    if (isPrefix || isSuffix) last = value;
  }
}

/** Is something known of it? What a sender of measures never says is not known of the identity either. */
function isSent(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) return true;
  return values.length === 0;
}

/** All measures, [MEASURES.length, L], as of more connections. @param layers of `values` */
export function widenMeasures(values: Float32Array, layers: number, places: Int32Array, streams: number): Float32Array {
  const out = new Float32Array(MEASURES.length * places.length);
  MEASURES.forEach(({ key }, m) => {
    const row = values.subarray(m * layers, (m + 1) * layers);
    widenMeasure(key, row, places, streams, out.subarray(m * places.length, (m + 1) * places.length));
  });
  return out;
}

/**
 * A report as one of more connections, or of the same in another order. G stays: it is of those that ran.
 * @param from connections of the report  @param to names all of them  @param streams n
 * @returns the report itself where both listings name the same
 */
export function widenReport(report: StepReport, from: Listing, to: Listing, streams: number): StepReport {
  const places = placesIn(from, to);
  if (places === null) return report;
  const { memory, ranks } = report;
  return {
    ...report,
    measures: widenMeasures(report.measures, from.length, places, streams),
    mapping: widenMapping(report.mapping, places, streams),
    nonfinite: Float64Array.from(places, (l) => (l < 0 ? 0 : report.nonfinite[l])),
    memory: memory && widenMemory(memory, from.length, places),
    ...(ranks === undefined ? {} : { ranks: widenRanks(ranks, from.length, places) }),
  };
}

function widenMapping(mapping: Float32Array, places: Int32Array, n: number): Float32Array {
  const size = n * n;
  const out = new Float32Array(places.length * size);
  const isKnown = isSent(mapping);
  places.forEach((place, l) => {
    const matrix = out.subarray(l * size, (l + 1) * size);
    if (place >= 0) matrix.set(mapping.subarray(place * size, (place + 1) * size));
    else if (!isKnown) matrix.fill(Number.NaN);
    else for (let i = 0; i < n; i++) matrix[i * (n + 1)] = 1;
  });
  return out;
}

/** Rows of one value per connection; what is not there is `none`. */
function rowsOf<A extends Float32Array | Float64Array | Int32Array>(
  out: A,
  values: A,
  layers: number,
  places: Int32Array,
  none: number,
): A {
  for (let at = 0; at < out.length; at++) {
    const place = places[at % places.length];
    out[at] = place < 0 ? none : values[Math.floor(at / places.length) * layers + place];
  }
  return out;
}

const widenMemory = ({ connections, totals }: MemorySample, layers: number, places: Int32Array): MemorySample => ({
  connections: rowsOf(new Float64Array(MEMORY_KINDS.length * places.length), connections, layers, places, Number.NaN),
  totals,
});

const widenRanks = (ranks: RankReport, layers: number, places: Int32Array): RankReport => ({
  ...ranks,
  largest: rowsOf(new Float32Array(MEASURES.length * places.length), ranks.largest, layers, places, Number.NaN),
  largestRank: rowsOf(new Int32Array(MEASURES.length * places.length), ranks.largestRank, layers, places, -1),
});
