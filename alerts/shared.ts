/**
 * What more than one detector goes by, brought up to date before any of them: how each connection grows (a runaway, and the
 * suspects of what goes wrong as a whole) and where the composite gain is heading (the warnings of it, and the forecast that is
 * shown). Warns of nothing.
 */
import { MEASURE_INDEX, type MeasureKey } from '../src/telemetry/catalogue.ts';
import type { StepReport } from '../src/telemetry/report.ts';
import { boundOf, type ConnectionInfo, type RunHeader } from '../src/telemetry/sample.ts';
import { addGrowth, byGrowth, createGrowth, type GrowthState, moveGrowth } from './growth.ts';
import { isBounded, runLimits } from './limits.ts';
import { addRate, createRate, type RateState } from './rate.ts';
import { addToTrend, createTrend, type Forecast, forecast, type TrendState } from './trend.ts';

/** G − 1 of bounded connections below which it counts as this much. Our choice: a healthy mHC model has as much. */
const MIN_EXCESS = 0.1;

export interface SharedState {
  /** Of the gain of each connection that is free to have one (not doubly stochastic) ... */
  gain: GrowthState;
  /** ... and of the range of the logits of each mHC connection. */
  logitRange: GrowthState;
  /** Of the composite gain, on the scale of `scaleOf`. */
  trend: TrendState;
  learningRate: RateState;
}

/** When G reaches a threshold, in training steps. */
export type GainForecast = Pick<Forecast, 'steps' | 'interval'> & { threshold: number };

/** A measure of connection `l`; NaN where it is undefined. */
export const measureOf = (header: RunHeader, report: StepReport, key: MeasureKey, l: number): number =>
  report.measures[MEASURE_INDEX[key] * header.connections.length + l];

const isDoubly = (one: ConnectionInfo): boolean => boundOf(one) === 'doubly';
const isMixing = ({ kind }: ConnectionInfo): boolean => kind !== 'residual' && kind !== 'identity';

/**
 * Positions of the connections that each quantity is watched of: `gain` those that are free, `deviation` those that should be doubly
 * stochastic and could be otherwise, `logitRange` the mHC among them.
 */
export function watchedConnections({ connections }: RunHeader): Record<'gain' | 'deviation' | 'logitRange', number[]> {
  const of = (isWatched: (one: ConnectionInfo) => boolean) => [...connections.keys()].filter((l) => isWatched(connections[l]));
  return {
    gain: of((one) => !isDoubly(one)),
    deviation: of((one) => isDoubly(one) && isMixing(one)),
    logitRange: of((one) => isDoubly(one) && one.kind === 'mhc'),
  };
}

/** Before the first report. */
export function createShared(header: RunHeader): SharedState {
  const { gain, logitRange } = watchedConnections(header);
  return {
    gain: createGrowth(gain.length),
    logitRange: createGrowth(logitRange.length),
    trend: createTrend(),
    learningRate: createRate(),
  };
}

/** Names of the connections that a quantity is watched of. */
export const watchedNames = (header: RunHeader, what: keyof ReturnType<typeof watchedConnections>): string[] =>
  watchedConnections(header)[what].map((l) => header.connections[l].name);

/** Of a run that has more connections by now, or other kinds of them. A trend on another scale begins anew. Changes `state`. */
export function moveShared(state: SharedState, before: RunHeader, after: RunHeader): void {
  for (const what of ['gain', 'logitRange'] as const) moveGrowth(state[what], watchedNames(before, what), watchedNames(after, what));
  if (isBounded(before) !== isBounded(after)) state.trend = createTrend();
}

/** Takes the next report in. A composite gain that is not known moves neither the trend nor the learning rate's mean. */
export function updateShared(state: SharedState, header: RunHeader, report: StepReport): void {
  const { gain, logitRange } = watchedConnections(header);
  const gains = gain.map((l) => Math.log(gainOf(header, report, l)));
  const ranges = logitRange.map((l) => Math.log(measureOf(header, report, 'logitRange', l)));
  addGrowth(state.gain, gains);
  addGrowth(state.logitRange, ranges);
  if (report.compositeGain === null) return;
  addToTrend(state.trend, report.step, scaleOf(header)(report.compositeGain));
  addRate(state.learningRate, report.step, report.learningRate);
}

/** A connection's own gain, the larger of forward and backward. */
const gainOf = (header: RunHeader, report: StepReport, l: number): number =>
  Math.max(measureOf(header, report, 'forwardGain', l), measureOf(header, report, 'backwardGain', l));

/**
 * The scale on which a composite gain G grows in a straight line: ln G, as a product over the depth does; of bounded connections
 * ln(G − 1).
 */
export const scaleOf = (header: RunHeader): ((gain: number) => number) =>
  isBounded(header) ? (gain) => Math.log(Math.max(gain - 1, MIN_EXCESS)) : Math.log;

/** Steps until the composite gain reaches each limit of the run; empty before there are enough, and where the report has no gain. */
export function gainForecasts(header: RunHeader, { trend }: SharedState, report: StepReport): GainForecast[] {
  if (report.compositeGain === null) return [];
  return runLimits(header).gain.flatMap((threshold) => {
    const predicted = forecast(trend, scaleOf(header)(threshold));
    return predicted === null ? [] : [{ threshold, steps: predicted.steps, interval: predicted.interval }];
  });
}

/** Positions of the three connections that grow most: they drive what goes wrong as a whole. */
export function suspectsOf(header: RunHeader, state: SharedState): number[] {
  const { gain, logitRange } = watchedConnections(header);
  const positions = [...gain, ...logitRange];
  return byGrowth([...state.gain.growth, ...state.logitRange.growth])
    .slice(0, 3)
    .map((k) => positions[k]);
}
