/** StepSample → StepReport: the one place where the measures of a step are computed, per token, in float64. Pure; no detectors here. */
import { prefixProducts, suffixProducts } from '../measures/compositeGains.ts';
import { gains } from '../measures/gains.ts';
import { separation } from '../measures/separation.ts';
import { activationGain, effectiveRank, logitRange, routingEntropy, streamNormRatio } from '../measures/streamMeasures.ts';
import { MEASURE_INDEX, MEASURES, type MeasureKey } from './catalogue.ts';
import type { StepReport } from './report.ts';
import type { RunHeader, StepSample } from './sample.ts';

/**
 * The connections are those that ran in the step, in their order; G is not known (null) of a step without any.
 * A measure is NaN where it is undefined (no logits, n = 1 …) and where a sampled value is not finite: `nonfinite`
 * tells the two apart. A non-finite composite makes G NaN or Infinity: it is not hidden by the maximum.
 * @throws RangeError if an array of the sample does not fit the header, naming it
 */
export function analyse(header: RunHeader, sample: StepSample): StepReport {
  const { streams: n, tokens } = header;
  const layers = header.connections.length;
  const perLayer = tokens * n * n;
  const sizes = { mappings: perLayer, logits: perLayer, grams: perLayer, inputSquares: tokens, gradientGains: 1, logitGradients: 1 };
  for (const [name, size] of Object.entries(sizes) as [keyof typeof sizes, number][]) {
    const expected = layers * size;
    const got = sample[name]?.length ?? expected;
    if (got !== expected) throw new RangeError(`analyse: ${name} must hold ${expected} values for this run's header, got ${got}`);
  }
  const measures = new Float32Array(MEASURES.length * layers).fill(Number.NaN);
  const mapping = new Float32Array(layers * n * n);
  const nonfinite = new Float64Array(layers);
  const h = Float64Array.from(sample.mappings);
  const prefix = layers === 0 ? h : prefixProducts(h, layers, tokens, n);
  const suffix = layers === 0 ? h : suffixProducts(h, layers, tokens, n);
  let compositeGain = 0;
  for (let l = 0; l < layers; l++) {
    const set = (key: MeasureKey, value: number) => {
      measures[MEASURE_INDEX[key] * layers + l] = value;
    };
    const of = (values: Float64Array) => values.subarray(l * perLayer, (l + 1) * perLayer);
    const own = gains(of(h), n);
    const forward = gains(of(prefix), n);
    const backward = gains(of(suffix), n);
    set('forwardGain', own.forward);
    set('backwardGain', own.backward);
    set('forwardGainBound', own.forwardBound);
    set('backwardGainBound', own.backwardBound);
    set('rowDeviation', own.rowDeviationMean);
    set('columnDeviation', own.columnDeviationMean);
    set('negativity', Math.max(0, -own.minEntry));
    set('rowSumMin', own.rowSumMin);
    set('columnSumMin', own.columnSumMin);
    set('compositeForwardGain', forward.forward);
    set('compositeBackwardGain', backward.backward);
    set('compositeRowDeviation', forward.rowDeviationMean);
    set('compositeColumnDeviation', forward.columnDeviationMean);
    set('separation', separation(of(prefix), n).smallest);
    set('routingEntropy', routingEntropy(of(h), n));
    compositeGain = Math.max(compositeGain, forward.forward, backward.backward);
    const slice = (values: Float32Array, size: number) => Float64Array.from(values.subarray(l * size, (l + 1) * size));
    if (sample.logits !== null) {
      const logits = slice(sample.logits, perLayer);
      set('logitRange', logitRange(logits, n));
      if (!isAbsent(logits)) nonfinite[l] += countNonfinite(logits);
    }
    if (sample.grams !== null && sample.inputSquares !== null) {
      const grams = slice(sample.grams, perLayer);
      const inputs = slice(sample.inputSquares, tokens);
      set('activationGain', activationGain(grams, inputs, n));
      set('effectiveRank', effectiveRank(grams, n));
      set('streamNormRatio', streamNormRatio(grams, n));
      // Streams that were not observed are NaN on both sides; where they become NaN, only behind it.
      if (!isAbsent(grams) || !isAbsent(inputs)) nonfinite[l] += countNonfinite(grams);
    }
    if (sample.gradientGains !== null) set('gradientGain', sample.gradientGains[l]);
    if (sample.logitGradients !== null) set('logitGradient', sample.logitGradients[l]);
    nonfinite[l] += countNonfinite(of(h));
    tokenMean(of(h), mapping, l * n * n, n * n);
  }
  const { step, time, stepSeconds, loss, gradientNorm, learningRate, memory, monitor } = sample;
  const scalars = { step, time, stepSeconds, loss, gradientNorm, learningRate, compositeGain: layers === 0 ? null : compositeGain };
  return { ...scalars, measures, mapping, nonfinite, memory, monitor };
}

/** What a connection has not (own ones no streams, most no logits) is NaN throughout, which is no fault of its values: H tells of those. */
const isAbsent = (values: Float64Array): boolean => values.every(Number.isNaN);

function countNonfinite(values: Float64Array): number {
  let count = 0;
  for (const value of values) if (!Number.isFinite(value)) count++;
  return count;
}

/** Mean over tokens of the matrices in `h`, into `out` at `at`. */
function tokenMean(h: Float64Array, out: Float32Array, at: number, size: number): void {
  const tokens = h.length / size;
  for (let i = 0; i < size; i++) {
    let sum = 0;
    for (let t = 0; t < tokens; t++) sum += h[t * size + i];
    out[at + i] = sum / tokens;
  }
}
