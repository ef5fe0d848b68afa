/** The metrics of runs that other processes send: what came, what was refused, and what the mean over the ranks hides. */
import { MEASURE_INDEX, MEASURES, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { RankReport } from '../../src/telemetry/report.ts';
import type { Ingest, IngestCounts } from '../ingest/ingestRun.ts';
import type { RunMetrics, SetValue } from './state.ts';

type Family<Fill> = (name: string, help: string, labelNames: string[], fill: Fill) => void;
type PlainFamily = Family<(set: SetValue) => void>;

export interface IngestFamilies {
  /** Filled from every run that is present. */
  gauge: Family<(metrics: RunMetrics, set: SetValue) => void>;
  /** Filled once per scrape. */
  plainGauge: PlainFamily;
  plainCounter: PlainFamily;
  ingest: Ingest | null;
  /** Series of each rank too. */
  rankLabel: boolean;
}

const OVER_RANKS: readonly MeasureKey[] = ['forwardGain', 'backwardGain', 'compositeForwardGain', 'compositeBackwardGain'];

export function addIngestMetrics({ gauge, plainGauge, plainCounter, ingest, rankLabel }: IngestFamilies): void {
  const runs = () => [...(ingest?.runs.values() ?? [])];
  const perRun = (name: string, help: string, of: (counts: IngestCounts) => number) =>
    plainCounter(name, help, ['run'], (set) => {
      for (const run of runs()) set({ run: run.name }, of(run.counts));
    });
  plainCounter('mhc_ingest_records_total', 'Steps of ranks that came in over HTTP.', ['run', 'result'], (set) => {
    for (const { name, counts } of runs()) {
      for (const result of ['accepted', 'duplicates', 'late'] as const) set({ run: name, result }, counts[result]);
    }
  });
  perRun('mhc_ingest_stragglers_total', 'Ranks that a step was put together without.', (counts) => counts.stragglers);
  perRun(
    'mhc_ingest_token_mismatches_total',
    'Steps whose pipeline stages sampled different tokens, so that no composite gain is known.',
    (counts) => counts.tokensDiffer,
  );
  plainGauge('mhc_ingest_ranks', 'Ranks that send.', ['run'], (set) => {
    for (const run of runs()) set({ run: run.name }, [...run.ranks.values()].filter(({ ended }) => ended === null).length);
  });
  plainGauge('mhc_ingest_waiting_bytes', 'Held for steps that wait for other ranks.', [], (set) => {
    if (ingest !== null) set({}, ingest.waitingBytes);
  });
  plainCounter('mhc_ingest_refused_total', 'Requests of senders that were refused, by the status of the answer.', ['status'], (set) => {
    for (const [status, count] of ingest?.refused ?? []) set({ status: String(status) }, count);
  });

  const ofRanks = (name: string, help: string, labels: string[], fill: (ranks: RankReport, run: RunMetrics, set: SetValue) => void) =>
    gauge(name, help, labels, (metrics, set) => {
      const ranks = metrics.last?.ranks;
      if (ranks !== undefined) fill(ranks, metrics, set);
    });
  for (const key of OVER_RANKS) {
    const m = MEASURE_INDEX[key];
    const base = MEASURES[m].metric.replace(/_ratio$/, '');
    const each = (name: string, help: string, of: (ranks: RankReport, at: number) => number) =>
      ofRanks(name, help, ['run', 'layer'], (ranks, { run: { header } }, set) => {
        header.connections.forEach((connection, l) => {
          const at = m * header.connections.length + l;
          if (ranks.largestRank[at] >= 0) set({ run: header.run, layer: connection.name }, of(ranks, at));
        });
      });
    each(`${base}_largest_ratio`, `Largest ${base}_ratio of any data-parallel rank.`, ({ largest }, at) => largest[at]);
    each(`${base}_largest_rank`, `The rank that has the largest ${base}_ratio.`, ({ largestRank }, at) => largestRank[at]);
  }
  if (!rankLabel) return;
  const perRank = (name: string, help: string, of: (ranks: RankReport) => Float64Array) =>
    ofRanks(name, help, ['run', 'rank'], (report, { run: { header } }, set) => {
      report.ranks.forEach((rank, r) => {
        set({ run: header.run, rank: String(rank) }, of(report)[r]);
      });
    });
  perRank('mhc_rank_composite_gain_ratio', 'G of one data-parallel rank.', (ranks) => ranks.compositeGain);
  perRank('mhc_rank_training_loss', 'Loss of one data-parallel rank.', (ranks) => ranks.loss);
}
