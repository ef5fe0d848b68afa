/** The metrics of runs that other processes send: what came, what was refused, and what the mean over the ranks hides. */
import { MEASURE_INDEX, MEASURES, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { RankReport } from '../../src/telemetry/report.ts';
import type { IngestCounts, IngestRun } from '../ingest/ingestRun.ts';
import { define, type MetricDefinition, ofLayer, ofRuns, type Series } from './definition.ts';

/** Filled from every run that was sent, not from what the metrics know of runs. */
const ofSent = (name: string, help: string, labels: readonly string[], collect: (run: IngestRun) => Series[]): MetricDefinition =>
  define(name, help, labels, ({ ingest }) => [...(ingest?.runs.values() ?? [])].flatMap(collect));

const count = (name: string, help: string, of: (counts: IngestCounts) => number): MetricDefinition =>
  ofSent(name, help, ['run'], (run) => [[{ run: run.name }, of(run.counts)]]);

/** The largest of these over the ranks is exported beside their mean. */
const OVER_RANKS: readonly MeasureKey[] = ['forwardGain', 'backwardGain', 'compositeForwardGain', 'compositeBackwardGain'];

function largest(key: MeasureKey): MetricDefinition[] {
  const m = MEASURE_INDEX[key];
  const { metric } = MEASURES[m];
  const base = metric.replace(/_ratio$/, '');
  const each = (name: string, help: string, of: (ranks: RankReport, at: number) => number) =>
    ofLayer(name, help, ({ run, last }, l) => {
      const at = m * run.header.connections.length + l;
      return last?.ranks === undefined || last.ranks.largestRank[at] < 0 ? null : of(last.ranks, at);
    });
  return [
    each(`${base}_largest_ratio`, `Largest ${metric} of any data-parallel rank.`, (ranks, at) => ranks.largest[at]),
    each(`${base}_largest_rank`, `The rank that has the largest ${metric}.`, (ranks, at) => ranks.largestRank[at]),
  ];
}

export const INGEST_DEFINITIONS: readonly MetricDefinition[] = [
  ofSent('mhc_ingest_records_total', 'Steps of ranks that came in over HTTP.', ['run', 'result'], ({ name: run, counts }) =>
    (['accepted', 'duplicates', 'late'] as const).map((result) => [{ run, result }, counts[result]]),
  ),
  count('mhc_ingest_stragglers_total', 'Ranks that a step was put together without.', ({ stragglers }) => stragglers),
  count(
    'mhc_ingest_token_mismatches_total',
    'Steps whose pipeline stages sampled different tokens, or too many together, so that no composite gain is known.',
    ({ tokensDiffer }) => tokensDiffer,
  ),
  ofSent('mhc_ingest_ranks', 'Ranks that send.', ['run'], ({ name, ranks }) => [
    [{ run: name }, [...ranks.values()].filter(({ ended }) => ended === null).length],
  ]),
  define('mhc_ingest_waiting_bytes', 'Held for steps that wait for other ranks.', [], ({ ingest }) => [[{}, ingest?.waitingBytes]]),
  define('mhc_ingest_refused_total', 'Requests of senders that were refused, by the status of the answer.', ['status'], ({ ingest }) =>
    [...(ingest?.refused ?? [])].map(([status, requests]) => [{ status: String(status) }, requests]),
  ),
  ...OVER_RANKS.flatMap(largest),
];

const ofRank = (name: string, help: string, of: (ranks: RankReport) => Float64Array): MetricDefinition =>
  ofRuns(name, help, ['rank'], ({ last }) => (last?.ranks?.ranks ?? []).map((rank, r) => [{ rank: String(rank) }, of(last!.ranks!)[r]]));

/** Series of each rank; asked for by `--rank-label`. */
export const RANK_DEFINITIONS: readonly MetricDefinition[] = [
  ofRank('mhc_rank_composite_gain_ratio', 'G of one data-parallel rank.', ({ compositeGain }) => compositeGain),
  ofRank('mhc_rank_training_loss', 'Loss of one data-parallel rank.', ({ loss }) => loss),
];
