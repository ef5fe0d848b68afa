/**
 * The spike detectors that trainers have today, as their sources do it. Each gives a score per step: what it compares with
 * its factor.
 */
export type Scorer = (values: Float64Array) => Float64Array;

function meanAndVariance(values: Float64Array, from: number, to: number, unbiased: boolean): [mean: number, variance: number] {
  let mean = 0;
  for (let i = from; i < to; i++) mean += values[i];
  mean /= to - from;
  let squares = 0;
  for (let i = from; i < to; i++) squares += (values[i] - mean) ** 2;
  return [mean, squares / (to - from - (unbiased ? 1 : 0))];
}

/** W&B's z-score alert: distance from the mean of the 30 values before, in their standard deviations; a full window first. */
export const wandb: Scorer = (values) =>
  values.map((value, i) => {
    if (i < 30) return Number.NaN;
    const [mean, variance] = meanAndVariance(values, i - 30, i, false);
    return (value - mean) / Math.sqrt(variance);
  });

/** OLMo-core, `SkipStepOptimizer.get_step_factor`: the same over 128 with the unbiased deviation, either side, from 64 values on. */
export const olmo: Scorer = (values) =>
  values.map((value, i) => {
    if (i + 1 < 64) return Number.NaN;
    const [mean, variance] = meanAndVariance(values, Math.max(0, i - 128), i, true);
    return Math.abs(value - mean) / Math.sqrt(variance);
  });

/** ZClip (mode "zscore", "adaptive_scaling"): mean and variance with α = 0.97 after 25 steps; an outlier enters clipped. */
export function zclip(limit: number): Scorer {
  return (values) => {
    let [mean, variance] = meanAndVariance(values, 0, Math.min(25, values.length), false);
    return values.map((value, i) => {
      if (i < 25) return Number.NaN;
      const deviation = Math.sqrt(variance);
      const z = (value - mean) / (deviation + 1e-6);
      const clipped = z > limit ? mean + (limit * deviation) / (z / limit) : value;
      mean = 0.97 * mean + 0.03 * clipped;
      variance = 0.97 * variance + 0.03 * (clipped - mean) ** 2;
      return z;
    });
  };
}

/**
 * Lightning's `SpikeDetection`: worse than the last value, and away from the mean of the last 10 by a multiple of that mean.
 * A value that is not finite is a spike; a spike enters neither the mean nor the last value.
 */
export function lightning(limit: number): Scorer {
  return (values) => {
    const kept: number[] = [];
    return values.map((value, i) => {
      const last = kept.at(-1);
      const mean = kept.reduce((sum, one) => sum + one, 0) / kept.length;
      let score = Number.NaN;
      if (!Number.isFinite(value)) score = Number.POSITIVE_INFINITY;
      else if (last !== undefined && value > last) score = Math.abs(value - mean) / Math.abs(mean);
      if (i < 1 || !(score >= limit)) {
        if (Number.isFinite(value)) kept.push(value);
        if (kept.length > 10) kept.shift();
      }
      return i < 1 ? Number.NaN : score;
    });
  };
}

/** Megatron's `is_unexpectedly_large`: multiple of the largest of the first 100 magnitudes; what is not finite is left out. */
export const megatron: Scorer = (values) => {
  let largest = 0;
  let count = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return Number.NaN;
    if (count >= 100) return Math.abs(value) / largest;
    count++;
    largest = Math.max(largest, Math.abs(value));
    return Number.NaN;
  });
};
