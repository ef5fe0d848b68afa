/**
 * How much a quantity of each connection has grown of late, and which connections grow beyond their peers. Knows nothing
 * of what the quantity is: it is given as logarithms.
 */
import { medianOf } from './smoothing.ts';

/**
 * Reports after which a value counts 1/e, in the fast and in the slow mean. Our choice: single reports do not move the one, tens
 * not the other.
 */
const FAST_REPORTS = 8;
const SLOW_REPORTS = 150;
/** Added to the peers' deviation. Our choice: at a standstill of all a hair's breadth is no outlier. */
const MIN_PEER_DEVIATION = 0.02;
/** Connections below which there are no peers to speak of. Our choice: of three the median is one of the two others. */
const MIN_PEERS = 4;
/** Makes a median absolute deviation the standard deviation of a normal distribution (Rousseeuw & Croux 1993). */
const NORMAL = 1.4826;

export interface GrowthState {
  /** Finite values taken in, [K] for K connections. */
  seen: number[];
  /** Means of ln(value), [K]; 0 before the first. */
  fast: number[];
  slow: number[];
  /** fast − slow, [K]: 0.1 is ten per cent above the recent mean. */
  growth: number[];
}

/** Of `count` connections that have not been seen. */
export function createGrowth(count: number): GrowthState {
  const zeros = () => new Array<number>(count).fill(0);
  return { seen: zeros(), fast: zeros(), slow: zeros(), growth: zeros() };
}

/** The state of other connections: what is known of each goes with its name, [K]. Changes `state`. */
export function moveGrowth(state: GrowthState, before: readonly string[], after: readonly string[]): void {
  const places = new Map(before.map((name, k) => [name, k]));
  const moved = (values: readonly number[]) => after.map((name) => values[places.get(name) ?? -1] ?? 0);
  const { seen, fast, slow, growth } = state;
  Object.assign(state, { seen: moved(seen), fast: moved(fast), slow: moved(slow), growth: moved(growth) });
}

/** Takes the next ln(value) of every connection in, [K]; one that is not finite changes nothing. */
export function addGrowth(state: GrowthState, values: readonly number[]): void {
  values.forEach((value, k) => {
    if (!Number.isFinite(value)) return;
    const first = 1 / ++state.seen[k];
    state.fast[k] += Math.max(1 / FAST_REPORTS, first) * (value - state.fast[k]);
    state.slow[k] += Math.max(1 / SLOW_REPORTS, first) * (value - state.slow[k]);
    state.growth[k] = state.fast[k] - state.slow[k];
  });
}

/** Those that grow beyond their peers. */
export interface Outliers {
  /** Growth of ln(value) of the median one. */
  usual: number;
  /** Growth from which one is an outlier. */
  limit: number;
  /** Positions, the one that grows most first. */
  positions: number[];
}

/** @param least growth beyond the median one's, at least; @param deviations the same in robust deviations of the peers */
export function outliersOf({ growth }: GrowthState, least: number, deviations: number): Outliers {
  const usual = medianOf(growth);
  const deviation = NORMAL * medianOf(growth.map((value) => Math.abs(value - usual))) + MIN_PEER_DEVIATION;
  const limit = usual + Math.max(least, deviations * deviation);
  const positions = growth.length < MIN_PEERS ? [] : byGrowth(growth).filter((k) => growth[k] >= limit);
  return { usual, limit, positions };
}

/** Positions, the one that has grown most first. */
export const byGrowth = (growth: readonly number[]): number[] => [...growth.keys()].sort((a, b) => growth[b] - growth[a]);
