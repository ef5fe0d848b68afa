/** The operations of the connections in float64 as the formulas stand, without a gradient: what the kernels are held against. */
import { sinkhorn } from '../../src/measures/sinkhornKnopp.ts';

export interface Sizes {
  tokens: number;
  n: number;
  channels: number;
}

export interface OperationReference {
  /** Shapes of the inputs, and what their standard normal values are multiplied with. */
  inputs: (sizes: Sizes) => [shape: number[], scale: number][];
  /** Outputs from inputs, all flat. */
  outputs: (inputs: Float64Array[], sizes: Sizes) => Float64Array[];
}

const EPSILON = 1e-6;
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const fill = (length: number, at: (i: number) => number) => Float64Array.from({ length }, (_, i) => at(i));
const sum = (length: number, at: (i: number) => number) => {
  let total = 0;
  for (let i = 0; i < length; i++) total += at(i);
  return total;
};

/** @param axes of x that make up K: 2 for mHC, 1 for HC */
function project(axes: 1 | 2): OperationReference {
  const width = ({ n }: Sizes) => (axes === 2 ? n * n + 2 * n : n + 2);
  const length = ({ n, channels }: Sizes) => (axes === 2 ? n * channels : channels);
  return {
    inputs: (sizes) => [
      [[sizes.tokens, sizes.n, sizes.channels], 1],
      [[length(sizes), width(sizes)], 0.3],
    ],
    outputs: ([x, w], sizes) => {
      const [k, m] = [length(sizes), width(sizes)];
      const rows = x.length / k;
      return [
        fill(rows * m, (i) => sum(k, (c) => x[Math.floor(i / m) * k + c] * w[c * m + (i % m)])),
        fill(rows, (r) => 1 / Math.sqrt(sum(k, (c) => x[r * k + c] ** 2) / k + EPSILON)),
        x,
      ];
    },
  };
}

const manifoldMaps: OperationReference = {
  inputs: ({ tokens, n }) => [
    [[tokens, n * n + 2 * n], 1],
    [[tokens], 1],
    [[3], 1],
    [[n * n + 2 * n], 1],
  ],
  outputs: ([p, s, alpha, b], { tokens, n }) => {
    const width = n * n + 2 * n;
    const h = (t: number, c: number) => alpha[c < n ? 0 : c < 2 * n ? 1 : 2] * s[t] * p[t * width + c] + b[c];
    return [
      fill(tokens * n, (i) => sigmoid(h(Math.floor(i / n), i % n)) + EPSILON),
      fill(tokens * n, (i) => 2 * sigmoid(h(Math.floor(i / n), n + (i % n)))),
      fill(tokens * n * n, (i) => h(Math.floor(i / (n * n)), 2 * n + (i % (n * n)))),
    ];
  },
};

const hyperMaps: OperationReference = {
  inputs: ({ tokens, n }) => [
    [[tokens, n, n + 2], 1],
    [[tokens, n], 1],
    [[3], 1],
    [[n + 2, n], 1],
  ],
  outputs: ([p, s, alpha, b], { tokens, n }) => {
    const h = (t: number, m: number, j: number) =>
      alpha[Math.min(m, 2)] * Math.tanh(s[t * n + j] * p[(t * n + j) * (n + 2) + m]) + b[m * n + j];
    const row = (m: number) => fill(tokens * n, (i) => h(Math.floor(i / n), m, i % n));
    return [row(0), row(1), fill(tokens * n * n, (i) => h(Math.floor(i / (n * n)), 2 + (Math.floor(i / n) % n), i % n))];
  },
};

const knopp = (convention: 'paper' | 'deepseek'): OperationReference => ({
  inputs: ({ tokens, n }) => [[[tokens, n, n], 1]],
  outputs: ([logits], { n }) => [sinkhorn(logits, n, { convention })],
});

const readStreams: OperationReference = {
  inputs: ({ tokens, n, channels }) => [
    [[tokens, n], 1],
    [[tokens, n, channels], 1],
  ],
  outputs: ([pre, x], { tokens, n, channels }) => [
    fill(tokens * channels, (i) => {
      const t = Math.floor(i / channels);
      return sum(n, (j) => pre[t * n + j] * x[(t * n + j) * channels + (i % channels)]);
    }),
    x,
  ],
};

const writeStreams: OperationReference = {
  inputs: ({ tokens, n, channels }) => [
    [[tokens, n, n], 1],
    [[tokens, n, channels], 1],
    [[tokens, n], 1],
    [[tokens, channels], 1],
  ],
  outputs: ([res, x, post, branch], { tokens, n, channels }) => [
    fill(tokens * n * channels, (i) => {
      const row = Math.floor(i / channels);
      const t = Math.floor(row / n);
      const c = i % channels;
      return post[row] * branch[t * channels + c] + sum(n, (j) => res[row * n + j] * x[(t * n + j) * channels + c]);
    }),
  ],
};

export const REFERENCES = {
  'project, mHC': project(2),
  'project, HC': project(1),
  'maps, mHC': manifoldMaps,
  'maps, HC': hyperMaps,
  'Sinkhorn, paper': knopp('paper'),
  'Sinkhorn, deepseek': knopp('deepseek'),
  readStreams,
  writeStreams,
};
export type ReferenceName = keyof typeof REFERENCES;
