/**
 * The learning rate against its own recent mean: how much further the weights will be carried than they have been. A step
 * of Adam is proportional to it, so it tells of a rise before the rise. Knows nothing of what follows from that.
 */

/** Steps after which a learning rate counts 1/e. Chosen on the tuning half of the corpus. */
const TAU = 500;

export interface Rate {
  /** Of the last report; 0 before the first. */
  step: number;
  /** Weighted sums over the steps: of 1, and of the learning rate. */
  weight: number;
  sum: number;
}

export const createRate = (): Rate => ({ step: 0, weight: 0, sum: 0 });

/** Takes the next learning rate in. @returns rate / mean − 1: 0 as ever, 1 twice as high; 0 where the run tells none */
export function rateRise(state: Rate, step: number, learningRate: number | null): number {
  const steps = Math.max(1, step - state.step);
  state.step = step;
  if (learningRate === null || !(learningRate >= 0 && learningRate < Number.POSITIVE_INFINITY)) return 0;
  const keep = Math.exp(-steps / TAU);
  state.weight = state.weight * keep + (1 - keep);
  state.sum = state.sum * keep + (1 - keep) * learningRate;
  return state.sum > 0 ? (learningRate * state.weight) / state.sum - 1 : 0;
}
