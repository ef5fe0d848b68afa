/** Rows of a recording, merged to points of so many steps: minimum and maximum of each column. No database. */
import { isNone } from './buckets.ts';

export type Value = number | null;

/** A step, or a bucket of steps. */
export interface SourceRow {
  step: number;
  time: number;
  /** One value per column, [C]; where one is not known, null, or a minimum above its maximum. */
  min: Value[];
  max: Value[];
}

/** P points of C columns. */
export interface Points {
  /** First step of each point, [P]. */
  steps: number[];
  /** Its time, milliseconds since 1970, [P]. */
  times: number[];
  /** [C, P]. */
  min: Value[][];
  max: Value[][];
}

/**
 * One point for each `size` consecutive step numbers that have a row.
 * @param rows ascending by step; one attempt after the other
 * @param size in steps; 1: every row is a point
 */
export function mergeRows(rows: Iterable<SourceRow>, size: number, columns: number): Points {
  const empty = () => Array.from({ length: columns }, (): Value[] => []);
  const points: Points = { steps: [], times: [], min: empty(), max: empty() };
  let current = -1;
  for (const { step, time, min, max } of rows) {
    const point = Math.floor(step / size);
    const isNew = point !== current || size === 1;
    if (isNew) {
      current = point;
      points.steps.push(step);
      points.times.push(time);
    }
    const at = points.steps.length - 1;
    for (let c = 0; c < columns; c++) {
      const unknown = isNone(min[c] ?? 0, max[c] ?? 0);
      const low = unknown ? null : min[c];
      const high = unknown ? null : max[c];
      points.min[c][at] = isNew ? low : better(points.min[c][at], low, true);
      points.max[c][at] = isNew ? high : better(points.max[c][at], high, false);
    }
  }
  return points;
}

/** As in a bucket: what is not known (null) does not count, a NaN only in a maximum, where it wins. */
function better(a: Value, b: Value, smaller: boolean): Value {
  if (a === null || b === null) return a ?? b;
  if (Number.isNaN(a)) return smaller ? b : a;
  if (Number.isNaN(b)) return smaller ? a : b;
  return (smaller ? b < a : b > a) ? b : a;
}
