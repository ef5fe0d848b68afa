/**
 * One step from its parts: the stages of a pipeline chained in their order (chain.ts), then the data-parallel pipelines reduced (reduce.ts).
 * Pure; which parts belong together, and how long they are waited for, is join.ts's.
 */
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { type Combined, chain } from './chain.ts';
import type { Part } from './part.ts';
import { reduce } from './reduce.ts';

/**
 * @param pipelines the parts of each data-parallel pipeline, by stage; a stage may be missing
 * @param starts index of each stage's first connection in the header
 */
export function combine(header: RunHeader, starts: readonly number[], pipelines: readonly (readonly Part[])[]): Combined {
  const chained = pipelines.map((parts) => chain(header, starts, parts));
  const ranks = pipelines.map((parts) => parts[0].rank);
  return {
    report: reduce(
      header,
      ranks,
      chained.map((one) => one.report),
    ),
    tokensDiffer: chained.some((one) => one.tokensDiffer),
  };
}
