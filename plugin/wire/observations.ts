/** The arrays of a sample besides its mappings (what they are: src/telemetry/sample.ts), each a tensor of the wire, @ before its key. */
import type { StepSample } from '../../src/telemetry/sample.ts';

/** L, S, n → the shape. */
const SHAPES = {
  logits: (layers: number, tokens: number, n: number) => [layers, tokens, n, n],
  grams: (layers: number, tokens: number, n: number) => [layers, tokens, n, n],
  inputSquares: (layers: number, tokens: number) => [layers, tokens],
  gradientGains: (layers: number) => [layers],
  logitGradients: (layers: number) => [layers],
};
export type ObservationKey = keyof typeof SHAPES;
export type Observations = Pick<StepSample, ObservationKey>;

export const OBSERVATION_KEYS = Object.keys(SHAPES) as ObservationKey[];

/** In row-major order. @param layers L. @param tokens S. @param n streams */
export const observationShape = (key: ObservationKey, layers: number, tokens: number, n: number): number[] =>
  SHAPES[key](layers, tokens, n);

/** All of them, each as `of` gives it. */
export const mapObservations = (of: (key: ObservationKey) => Float32Array | null): Observations =>
  Object.fromEntries(OBSERVATION_KEYS.map((key) => [key, of(key)])) as Observations;
