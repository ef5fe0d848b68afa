/**
 * What is known of a step by name. The one table of measures per connection (their order in every array, their metric and what
 * they mean), and the scalars of the run. Nothing computes here (analyse.ts does).
 */

/** Scalars of the run that can be asked for as a series, beside the measures. Recordings hold them in this order. */
export const RUN_SCALARS = ['loss', 'gradientNorm', 'learningRate', 'stepSeconds', 'compositeGain'] as const;
export type RunScalar = (typeof RUN_SCALARS)[number];

/** Metric (name of the Prometheus gauge) and help. Each is a mean over the sampled tokens unless it says otherwise. */
const TABLE = {
  forwardGain: ['mhc_layer_forward_gain_ratio', 'Forward gain of one H_res: max_i |sum_j H_ij|.'],
  backwardGain: ['mhc_layer_backward_gain_ratio', 'Backward gain of one H_res: max_j |sum_i H_ij|.'],
  forwardGainBound: ['mhc_layer_forward_gain_bound_ratio', 'Operator norm of one H_res in the forward direction: max_i sum_j |H_ij|.'],
  backwardGainBound: ['mhc_layer_backward_gain_bound_ratio', 'Operator norm of one H_res in the backward direction: max_j sum_i |H_ij|.'],
  compositeForwardGain: ['mhc_composite_forward_gain_ratio', 'Forward gain of the prefix product H_l ... H_0.'],
  compositeBackwardGain: [
    'mhc_composite_backward_gain_ratio',
    'Backward gain of the suffix product H_(L-1) ... H_l, the gradient that reaches this connection.',
  ],
  rowDeviation: ['mhc_layer_row_deviation_ratio', 'Largest |row sum - 1| of one H_res.'],
  columnDeviation: ['mhc_layer_column_deviation_ratio', 'Largest |column sum - 1| of one H_res.'],
  compositeRowDeviation: ['mhc_composite_row_deviation_ratio', 'Largest |row sum - 1| of the prefix product.'],
  compositeColumnDeviation: ['mhc_composite_column_deviation_ratio', 'Largest |column sum - 1| of the prefix product.'],
  negativity: ['mhc_layer_negativity_ratio', 'max(0, -min H_res) over the sampled tokens.'],
  rowSumMin: ['mhc_layer_row_sum_min_ratio', 'Smallest row sum of one H_res: attenuation that the gain hides.'],
  columnSumMin: ['mhc_layer_column_sum_min_ratio', 'Smallest column sum of one H_res.'],
  separation: [
    'mhc_composite_separation_ratio',
    'Smallest singular value of the prefix product on the complement of 1: 1 keeps the streams apart, 0 has collapsed them.',
  ],
  logitRange: [
    'mhc_layer_logit_range',
    'Largest max - min of the logits of H_res over the sampled tokens; above 30 Sinkhorn does not converge.',
  ],
  routingEntropy: ['mhc_layer_routing_entropy_ratio', 'Mean row entropy of |H_res| over ln n: 0 routes hard, 1 mixes evenly.'],
  activationGain: ['mhc_layer_activation_gain_ratio', 'Norm of the output streams over that of the input streams.'],
  gradientGain: ['mhc_layer_gradient_gain_ratio', 'Norm of the gradient on the input streams over that on the output streams.'],
  effectiveRank: [
    'mhc_layer_stream_effective_rank',
    'Effective rank of the output streams, (tr G)^2 / |G|^2 of their Gram matrix, 1 to n.',
  ],
  streamNormRatio: ['mhc_layer_stream_norm_ratio', 'Largest over smallest norm of the output streams.'],
  logitGradient: [
    'mhc_layer_logit_gradient_norm',
    'Norm of the gradient on the logits of H_res, summed over all tokens (the gradient of b_res); 0 where routing is dead.',
  ],
} as const;
export type MeasureKey = keyof typeof TABLE;

export interface MeasureInfo {
  key: MeasureKey;
  /** Name of the Prometheus gauge. */
  metric: string;
  help: string;
}

/** In the order of every array; NaN: undefined for this connection or step. */
export const MEASURES: readonly MeasureInfo[] = Object.entries(TABLE).map(([key, [metric, help]]) => ({
  key: key as MeasureKey,
  metric,
  help,
}));

/** Those that are the largest over the sampled tokens and not a mean. */
export const LARGEST_OVER_TOKENS: readonly MeasureKey[] = ['negativity', 'logitRange'];
/** Those of products over the depth: only known where all connections up to here (or from here on) are. */
export const OVER_DEPTH: readonly MeasureKey[] = [
  'compositeForwardGain',
  'compositeBackwardGain',
  'compositeRowDeviation',
  'compositeColumnDeviation',
  'separation',
];

/** Position of a measure in `StepReport.measures`. */
export const MEASURE_INDEX = Object.fromEntries(MEASURES.map((m, i) => [m.key, i])) as Record<MeasureKey, number>;
