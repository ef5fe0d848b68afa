/**
 * One step from its parts: the stages of a pipeline chained in their order (chain.ts), then data-parallel pipelines reduced (reduce.ts).
 * Pure; which parts belong to a step, and how long they are waited for, is join.ts's.
 */
import type { ConnectionInfo, RunHeader } from '../../src/telemetry/sample.ts';
import type { Part, RankPosition } from '../wire/part.ts';
import { type ChainedStep, chain } from './chain.ts';
import { reduce } from './reduce.ts';

type RankPlacement = Pick<RankPosition, 'stage' | 'replica'>;

/**
 * @param stages connections of each stage, together those of the header
 * @param ranks all of the run, by number
 * @param parts of some of them, at least one
 */
export function combine(
  header: RunHeader,
  stages: readonly (readonly ConnectionInfo[])[],
  ranks: ReadonlyMap<number, RankPlacement>,
  parts: readonly Part[],
): ChainedStep {
  const pipelines = pipelinesOf(ranks, parts);
  const chained = pipelines.map((pipeline) => chain(header, stageStarts(stages), pipeline));
  const firstRanks = pipelines.map(([first]) => first.rank);
  const reports = chained.map((one) => one.report);
  return { report: reduce(header, firstRanks, reports), tokensDiffer: chained.some((one) => one.tokensDiffer) };
}

/** Index of each stage's first connection in the header. */
function stageStarts(stages: readonly (readonly ConnectionInfo[])[]): number[] {
  let end = 0;
  return stages.map((connections) => {
    end += connections.length;
    return end - connections.length;
  });
}

/** The parts by data-parallel pipeline, each by stage. Where no replica was sent it is the rank's position among those of its stage. */
function pipelinesOf(ranks: ReadonlyMap<number, RankPlacement>, parts: readonly Part[]): Part[][] {
  const replicas = new Map<number, number>();
  const counts = new Map<number, number>();
  for (const [rank, { stage, replica }] of [...ranks].sort(([a], [b]) => a - b)) {
    const count = counts.get(stage) ?? 0;
    counts.set(stage, count + 1);
    replicas.set(rank, replica ?? count);
  }
  const pipelines = new Map<number, Part[]>();
  for (const part of [...parts].sort((a, b) => a.stage - b.stage || a.rank - b.rank)) {
    const replica = replicas.get(part.rank)!;
    const pipeline = pipelines.get(replica) ?? [];
    // Two ranks of one stage of the same replica (tensor parallel): the first stands for both.
    if (pipeline.at(-1)?.stage !== part.stage) pipeline.push(part);
    pipelines.set(replica, pipeline);
  }
  return [...pipelines].sort(([a], [b]) => a - b).map(([, pipeline]) => pipeline);
}
