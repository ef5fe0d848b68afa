/** What the senders know: of each step of a rank whether it was sent, and whether a 200 acknowledged it. Plain data. */
import type { Training } from './truth.ts';

/** One step of an attempt, over its ranks. */
export interface LedgerStep {
  readonly sent: Set<number>;
  /** By rank: when it was acknowledged first, ms of the harness's clock. */
  readonly acknowledged: Map<number, number>;
}

/** An attempt of a training under the name of run by which it was sent. */
export interface LedgerAttempt {
  readonly run: string;
  readonly training: Training;
  readonly attempt: string;
  readonly steps: Map<number, LedgerStep>;
}

/** By run and attempt (`keyOf`). */
export type Ledger = Map<string, LedgerAttempt>;

/** Two trainings without an attempt's name must not share a run. */
export const keyOf = (run: string, attempt: string): string => `${run} ${attempt}`;

/** Notes that steps are being sent; what was sent may be kept, whatever is answered. */
export function noteSent(ledger: Ledger, run: string, training: Training, attempt: string, rank: number, steps: readonly number[]): void {
  const key = keyOf(run, attempt);
  const entry = ledger.get(key) ?? { run, training, attempt, steps: new Map() };
  ledger.set(key, entry);
  for (const step of steps) {
    const known = entry.steps.get(step) ?? { sent: new Set(), acknowledged: new Map() };
    known.sent.add(rank);
    entry.steps.set(step, known);
  }
}

/** Notes that steps which were sent are acknowledged. @param now ms */
export function noteAcknowledged(ledger: Ledger, run: string, attempt: string, rank: number, steps: readonly number[], now: number): void {
  for (const step of steps) {
    const { acknowledged } = ledger.get(keyOf(run, attempt))!.steps.get(step)!;
    if (!acknowledged.has(rank)) acknowledged.set(rank, now);
  }
}

/** How many parts of steps are acknowledged. */
export const countAcknowledged = (ledger: Ledger): number =>
  [...ledger.values()].reduce((sum, { steps }) => sum + [...steps.values()].reduce((n, { acknowledged }) => n + acknowledged.size, 0), 0);
