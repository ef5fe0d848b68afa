/**
 * Holds what was acknowledged against what the recordings have: each acknowledged part of a step once, with its values, and nothing
 * that was never sent. Pure; recordingRows.ts reads the files.
 */
import { keyOf, type Ledger, type LedgerAttempt, type LedgerStep } from './ledger.ts';
import type { StepRow } from './recordingRows.ts';
import { connectionsOf, lossOf, partValueOf, replicaOf, stageOf, type Training } from './truth.ts';

/**
 * missing: acknowledged, and not there. twice: two rows of one step. wrong: no set of its ranks' parts gives the values.
 * unsent: of nobody.
 */
export type FindingKind = 'missing' | 'twice' | 'wrong' | 'unsent';

export interface Finding {
  readonly kind: FindingKind;
  /** For people. */
  readonly what: string;
}

/** How long after a recording was deleted an answer may still be of what is in it, ms. Our choice: it was under way. */
const UNDER_WAY_MS = 1500;
/** Float32 on the way. */
const TOLERANCE = 2e-6;

/** @param rows of all files */
export function check(ledger: Ledger, rows: readonly StepRow[]): Finding[] {
  const findings: Finding[] = [];
  const byStep = groupBy(rows, ({ run, source, step }) => `${keyOf(run, source)} ${step}`);
  /** Ranks that each row has, where it is known. */
  const ranks = new Map<StepRow, Set<number>>();
  for (const [key, same] of byStep) {
    const [{ run, source, step }] = same;
    const attempt = ledger.get(keyOf(run, source));
    const sent = attempt?.steps.get(step);
    if (attempt === undefined || sent === undefined) {
      findings.push({ kind: 'unsent', what: `${key} (${same[0].file.path})` });
      continue;
    }
    const inFolder = same.filter(({ file }) => file.place === 'runs');
    if (inFolder.length > 1) findings.push({ kind: 'twice', what: `${key}: ${inFolder.length} rows` });
    for (const row of same) {
      const found = ranksIn(attempt, sent, row);
      if (found === null) findings.push({ kind: 'wrong', what: `${key}: loss ${row.loss}, ranks ${JSON.stringify(row.ranks)}` });
      else ranks.set(row, found);
    }
  }
  for (const { run, attempt, steps } of ledger.values()) {
    for (const [step, { acknowledged }] of steps) {
      const same = byStep.get(`${keyOf(run, attempt)} ${step}`) ?? [];
      for (const [rank, at] of acknowledged) {
        const isKept = same.some((row) => {
          const { place, deletedAt = 0 } = row.file;
          // A wrong row is a finding of its own.
          return (ranks.get(row)?.has(rank) ?? true) && (place !== 'deleted' || at <= deletedAt + UNDER_WAY_MS);
        });
        if (!isKept) findings.push({ kind: 'missing', what: `${keyOf(run, attempt)} step ${step} rank ${rank}, acknowledged at ${at} ms` });
      }
    }
  }
  return findings;
}

/**
 * The ranks that the row is said to have, or, where that is not said, the most whose parts give its values; null: the values are others.
 */
function ranksIn({ training, attempt }: LedgerAttempt, { sent }: LedgerStep, row: StepRow): Set<number> | null {
  const said = row.ranks;
  if (said !== null) return said.every((rank) => sent.has(rank)) && gives(training, attempt, said, row) ? new Set(said) : null;
  const possible = [...sent];
  const subsets = Array.from({ length: 2 ** possible.length - 1 }, (_, i) => possible.filter((_, bit) => ((i + 1) >> bit) & 1));
  subsets.sort((a, b) => b.length - a.length);
  const found = subsets.find((ranks) => gives(training, attempt, ranks, row));
  return found === undefined ? null : new Set(found);
}

function gives(training: Training, attempt: string, ranks: readonly number[], { step, loss, values }: StepRow): boolean {
  if (!isNear(loss, lossOver(training, attempt, ranks, step))) return false;
  for (let stage = 0; stage < training.stages; stage++) {
    const own = ranks.filter((rank) => stageOf(training, rank) === stage);
    const names = connectionsOf(training, stage);
    for (let l = 0; l < names.length; l++) {
      const value = values.get(names[l]);
      if (value === undefined) return false;
      const expected = mean(own.map((rank) => partValueOf(training, attempt, rank, step, l)));
      if (!isNear(training.form === 'json' ? value.measure : value.mixed, expected)) return false;
    }
  }
  return true;
}

/** The mean over replicas of the mean over their stages, of those that are there. */
function lossOver(training: Training, attempt: string, ranks: readonly number[], step: number): number {
  const replicas = groupBy(ranks, (rank) => replicaOf(training, rank));
  return mean([...replicas.values()].map((own) => mean(own.map((rank) => lossOf(training, attempt, rank, step)))));
}

function groupBy<T, K>(all: readonly T[], keyOfOne: (one: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const one of all) {
    const key = keyOfOne(one);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return groups;
}

/** NaN for none. */
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const isNear = (value: number | null, expected: number): boolean =>
  value !== null && (Number.isNaN(expected) ? Number.isNaN(value) : Math.abs(value - expected) <= TOLERANCE * Math.abs(expected));
