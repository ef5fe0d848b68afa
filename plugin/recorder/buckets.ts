/** The pyramid of minima and maxima over consecutive steps: pure arithmetic, no database. */

import { RUN_SCALARS } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';

/** A bucket of level k covers the step numbers b · 8^k … (b + 1) · 8^k − 1. Part of the format; our choice: a seventh more bytes. */
export const FACTOR = 8;
export const LEVELS = 5;

/** Minima and maxima of the scalars, in the order of RUN_SCALARS, and of the measures. */
export interface Bucket {
  level: number;
  bucket: number;
  firstStep: number;
  firstTime: number;
  count: number;
  scalarsMin: Float64Array;
  scalarsMax: Float64Array;
  measuresMin: Float32Array;
  measuresMax: Float32Array;
}

/** A NaN does not count in a minimum and wins in a maximum: a bucket with one shows it and still has its lowest number. */
function lowerMin(into: Float64Array | Float32Array, values: ArrayLike<number>): void {
  for (let i = 0; i < into.length; i++) if (values[i] < into[i] || Number.isNaN(into[i])) into[i] = values[i];
}
function raiseMax(into: Float64Array | Float32Array, values: ArrayLike<number>): void {
  for (let i = 0; i < into.length; i++) if (values[i] > into[i] || Number.isNaN(values[i])) into[i] = values[i];
}

/** A minimum above its maximum: no value was known. */
const NONE = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
/** Did a bucket know no value? */
export const isNone = (min: number, max: number): boolean => min > max;

/** One that is not known (null) does not count on either side. */
function addScalars({ scalarsMin, scalarsMax }: Bucket, report: StepReport): void {
  RUN_SCALARS.forEach((key, i) => {
    const value = report[key];
    if (value === null) return;
    const first = isNone(scalarsMin[i], scalarsMax[i]);
    if (first || value < scalarsMin[i] || Number.isNaN(scalarsMin[i])) scalarsMin[i] = value;
    if (first || value > scalarsMax[i] || Number.isNaN(value)) scalarsMax[i] = value;
  });
}

/** The largest value so far: a NaN counts only as long as there was nothing else. */
export function largest(soFar: number | null, value: number): number {
  return soFar === null || Number.isNaN(soFar) || value > soFar ? value : soFar;
}

/**
 * Adds a report to the open bucket of every level.
 * @param open the open buckets by level − 1; replaced, never changed, so that a failed commit can go back to the old ones
 * @param changed receives every bucket touched, by "level:bucket"
 */
export function addToBuckets(open: readonly (Bucket | undefined)[], report: StepReport, changed: Map<string, Bucket>): Bucket[] {
  return Array.from({ length: LEVELS }, (_, i) => {
    const level = i + 1;
    const bucket = Math.floor(report.step / FACTOR ** level);
    const key = `${level}:${bucket}`;
    const before = open[i];
    const next = changed.get(key) ??
      (before?.bucket === bucket ? structuredClone(before) : null) ?? {
        level,
        bucket,
        firstStep: report.step,
        firstTime: report.time,
        count: 0,
        scalarsMin: new Float64Array(RUN_SCALARS.length).fill(NONE.min),
        scalarsMax: new Float64Array(RUN_SCALARS.length).fill(NONE.max),
        measuresMin: report.measures.slice(),
        measuresMax: report.measures.slice(),
      };
    next.count++;
    if (report.step < next.firstStep) Object.assign(next, { firstStep: report.step, firstTime: report.time });
    addScalars(next, report);
    lowerMin(next.measuresMin, report.measures);
    raiseMax(next.measuresMax, report.measures);
    changed.set(key, next);
    return next;
  });
}
