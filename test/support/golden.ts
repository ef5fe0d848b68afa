/** The float64 vectors of test/fixtures/mhc.json, flattened and typed. */
import { readFileSync } from 'node:fs';

export interface SinkhornCase {
  kind: 'sinkhorn';
  streams: number;
  iterations: number;
  logits: Nested;
  gradOut: Nested;
  paper: { hRes: Nested; gradLogits: Nested };
  deepseek: { eps: number; comb: Nested; hRes: Nested; gradLogitsOfComb: Nested };
}

interface LayerCase {
  streams: number;
  channels: number;
  normEps: number;
  x: Nested;
  alpha: number[];
  W: Nested;
  pre: Nested;
  post: Nested;
  hRes: Nested;
  u: Nested;
  out: Nested;
  gradOut: Nested;
  gains: Record<string, number>;
}

export interface ManifoldCase extends LayerCase {
  kind: 'mhcLayer';
  convention: 'paper' | 'deepseek';
  iterations: number;
  eps: number;
  phi: Nested;
  b: number[];
  grads: { x: Nested; phi: Nested; b: number[]; alpha: number[]; W: Nested };
}

interface PerMap {
  pre: Nested;
  post: Nested;
  res: Nested;
}

export interface HyperCase extends LayerCase {
  kind: 'hcLayer';
  theta: PerMap;
  b: PerMap;
  grads: { x: Nested; alpha: number[]; W: Nested; theta: PerMap; b: PerMap };
}

export interface CompositeCase {
  kind: 'composite';
  family: 'hc' | 'mhc';
  layers: number;
  tokens: number;
  streams: number;
  hRes: Nested;
  perLayer: Record<string, number>[];
  prefix: Record<string, number>[];
  suffix: Record<string, number>[];
}

export type Nested = number | Nested[];

/** All numbers in their order. */
export const flat = (value: Nested): number[] => (Array.isArray(value) ? value.flatMap(flat) : [value]);
/** The same as float64. */
export const flat64 = (value: Nested): Float64Array => Float64Array.from(flat(value));
/** Rows for columns. @param rows of equal length */
export const transpose = (rows: number[][]): number[][] => rows[0].map((_, j) => rows.map((row) => row[j]));

const cases = JSON.parse(readFileSync(new URL('../fixtures/mhc.json', import.meta.url), 'utf8')) as (
  | SinkhornCase
  | ManifoldCase
  | HyperCase
  | CompositeCase
)[];

export const sinkhornCases = cases.filter((c): c is SinkhornCase => c.kind === 'sinkhorn');
export const manifoldCases = cases.filter((c): c is ManifoldCase => c.kind === 'mhcLayer');
export const hyperCases = cases.filter((c): c is HyperCase => c.kind === 'hcLayer');
export const compositeCases = cases.filter((c): c is CompositeCase => c.kind === 'composite');

/** Largest |a − b| / (1 + |b|). */
export function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) throw new Error(`lengths differ: ${actual.length} and ${expected.length}`);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]) / (1 + Math.abs(expected[i]));
    if (!(error <= largest)) largest = error;
  }
  return largest;
}
