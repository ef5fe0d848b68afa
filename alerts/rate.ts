/**
 * The learning rate against its own recent mean: how much further the weights will be carried than they have been. A step
 * of Adam is proportional to it, so it tells of a rise before the rise. Knows nothing of what follows from that.
 */

/** Steps after which a learning rate counts 1/e. Chosen on the tuning half of the corpus (test/eval). */
const MEAN_STEPS = 500;

export interface RateState {
  /** Of the last report; 0 before the first. */
  step: number;
  /** Weighted sums over the steps: of 1, and of the learning rate. */
  weight: number;
  sum: number;
}

/** Before the first learning rate. */
export const createRate = (): RateState => ({ step: 0, weight: 0, sum: 0 });

const isRate = (value: number | null): value is number => value !== null && value >= 0 && value < Number.POSITIVE_INFINITY;

/** Takes the next learning rate in; null, or one that is none, is left out. */
export function addRate(state: RateState, step: number, learningRate: number | null): void {
  const steps = Math.max(1, step - state.step);
  state.step = step;
  if (!isRate(learningRate)) return;
  const keep = Math.exp(-steps / MEAN_STEPS);
  state.weight = state.weight * keep + (1 - keep);
  state.sum = state.sum * keep + (1 - keep) * learningRate;
}

/**
 * The newest learning rate over the mean, less 1: 0 as ever, 1 twice as high; 0 where the run reports none. @param learningRate
 * added before
 */
export const rateRise = ({ weight, sum }: RateState, learningRate: number | null): number =>
  isRate(learningRate) && sum > 0 ? (learningRate * weight) / sum - 1 : 0;
