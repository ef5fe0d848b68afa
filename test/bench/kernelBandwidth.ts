/**
 * Each operation of the connections, forward and its gradient alone: bytes that must move over the time it takes, beside a copy
 * of as many bytes and beside the same composed of stock operations, all alternated in one run.
 */
import * as tf from '@tensorflow/tfjs';
import { accelerate, composedSinkhorn } from 'gainwatch/kernels';
import { runKernel } from '../../src/kernels/operation.ts';
import { HYPER_MAPS_GRADIENT, hyperMaps } from '../../src/kernels/operations/hyperMaps.ts';
import { MANIFOLD_MAPS_GRADIENT, manifoldMaps } from '../../src/kernels/operations/manifoldMaps.ts';
import { PROJECT_GRADIENT, project } from '../../src/kernels/operations/project.ts';
import { READ_STREAMS_GRADIENT, readStreams } from '../../src/kernels/operations/readStreams.ts';
import { SINKHORN_GRADIENT, sinkhorn, sinkhornAttributes } from '../../src/kernels/operations/sinkhorn.ts';
import { WRITE_STREAMS_GRADIENT, writeStreams } from '../../src/kernels/operations/writeStreams.ts';
import { median, type Result } from './benchTable.ts';

interface KernelCase {
  name: string;
  /** Floats read and written that do not fit a cache, per token. */
  floats: number;
  run: () => tf.Tensor | tf.Tensor[];
  /** A gradient of stock operations, with its forward pass, as autodiff has no other; unless given, `run` without our kernels. */
  composed?: () => tf.Tensor | tf.Tensor[];
}

const OPTIONS = { iterations: 20, convention: 'paper', epsilon: 0 } as const;

/** Streams and their channels: the most that the bench's models have. */
const [n, channels] = [4, 256];

/** All with random inputs of `tokens` tokens. */
function kernelCases(tokens: number): KernelCase[] {
  const normal = (...shape: number[]) => tf.randomNormal(shape);
  const width = n * n + 2 * n;
  const x = normal(tokens, n, channels);
  const dx = normal(tokens, n, channels);
  const u = normal(tokens, channels);
  const phi = tf.mul(normal(n * channels, width), 0.02);
  const theta = tf.mul(normal(channels, n + 2), 0.02);
  const p = normal(tokens, width);
  const s = tf.ones([tokens]);
  const alpha = tf.fill([3], 0.01);
  const b = normal(width);
  const pHyper = normal(tokens, n, n + 2);
  const sHyper = tf.ones([tokens, n]);
  const bHyper = normal(n + 2, n);
  const row = normal(tokens, n);
  const matrix = normal(tokens, n, n);
  const joined = (parts: tf.Tensor[]) => tf.concat(parts.map((part) => part.flatten()));
  const back = (f: (...inputs: tf.Tensor[]) => tf.Tensor[], inputs: tf.Tensor[], dys: tf.Tensor[]) => () =>
    tf.grads((...given: tf.Tensor[]) => joined(f(...given)))(inputs, joined(dys));
  const manifold = (...[a, c, d, e]: tf.Tensor[]) => Object.values(manifoldMaps(a, c, d, e, 0));
  const hyper = (...[a, c, d, e]: tf.Tensor[]) => Object.values(hyperMaps(a, c, d, e));
  const coefficients = [row, row, matrix];
  return [
    { name: 'project, mHC', floats: n * channels + width + 1, run: () => project(x, phi, 2, 1e-6).p },
    {
      name: 'project gradient, mHC',
      floats: 3 * n * channels + width,
      run: () => runKernel(PROJECT_GRADIENT, [x, phi, s, p, s, dx]),
      composed: back((a, w) => Object.values(project(a, w, 2, 1e-6)), [x, phi], [p, s, dx]),
    },
    { name: 'project, HC', floats: n * channels + n * (n + 3), run: () => project(x, theta, 1, 1e-6).p },
    { name: 'manifoldMaps', floats: 2 * width + 1, run: () => manifold(p, s, alpha, b) },
    {
      name: 'manifoldMaps gradient',
      floats: 3 * width + 2,
      run: () => runKernel(MANIFOLD_MAPS_GRADIENT, [p, s, alpha, b, ...coefficients]),
      composed: back(manifold, [p, s, alpha, b], coefficients),
    },
    { name: 'hyperMaps', floats: 2 * n * (n + 2) + n, run: () => hyper(pHyper, sHyper, alpha, bHyper) },
    {
      name: 'hyperMaps gradient',
      floats: 3 * n * (n + 2) + 2 * n,
      run: () => runKernel(HYPER_MAPS_GRADIENT, [pHyper, sHyper, alpha, bHyper, ...coefficients]),
      composed: back(hyper, [pHyper, sHyper, alpha, bHyper], coefficients),
    },
    { name: 'sinkhorn', floats: 2 * n * n, run: () => sinkhorn(matrix, OPTIONS) },
    {
      name: 'sinkhorn gradient',
      floats: 3 * n * n,
      run: () => runKernel(SINKHORN_GRADIENT, [matrix, matrix], sinkhornAttributes(OPTIONS)),
      composed: back((logits) => [composedSinkhorn(logits, OPTIONS)], [matrix], [matrix]),
    },
    { name: 'readStreams', floats: (n + 1) * channels + n, run: () => readStreams(row, x).u },
    {
      name: 'readStreams gradient',
      floats: (3 * n + 1) * channels + 2 * n,
      run: () => runKernel(READ_STREAMS_GRADIENT, [row, x, u, dx]),
      composed: back((h, a) => Object.values(readStreams(h, a)), [row, x], [u, dx]),
    },
    { name: 'writeStreams', floats: (2 * n + 1) * channels + n * n + n, run: () => writeStreams(matrix, x, row, u) },
    {
      name: 'writeStreams gradient',
      floats: (3 * n + 2) * channels + 2 * (n * n + n),
      run: () => runKernel(WRITE_STREAMS_GRADIENT, [matrix, x, row, u, dx]),
      composed: back((h, a, o, f) => [writeStreams(h, a, o, f)], [matrix, x, row, u], [dx]),
    },
  ];
}

/** Where values lie on a device they are waited for, by reading one. */
async function timed(run: () => tf.Tensor | tf.Tensor[]): Promise<number> {
  const start = performance.now();
  const result = tf.tidy(run);
  if (tf.getBackend() === 'webgpu') {
    const one = tf.tidy(() => tf.slice((Array.isArray(result) ? result[0] : result).flatten(), [0], [1]));
    await one.data();
    one.dispose();
  }
  const time = performance.now() - start;
  tf.dispose(result);
  return time;
}

/** A copy on the device: `Float32Array.set` where values lie in memory, an operation elsewhere. @param floats read and written */
function copyOf(floats: number): () => Promise<number> {
  const half = Math.floor(floats / 2);
  if (tf.getBackend() !== 'webgpu') {
    const [from, to] = [new Float32Array(half).fill(1), new Float32Array(half)];
    return async () => {
      const start = performance.now();
      to.set(from);
      return performance.now() - start;
    };
  }
  const from = tf.ones([half]);
  return () => timed(() => tf.add(from, 0));
}

/** @param onProgress gets a line for each operation before it and after it @returns a table with a row for each */
export async function kernelBandwidth(tokens: number, rounds: number, onProgress: (line: string) => void): Promise<Result> {
  const rows: string[][] = [];
  tf.engine().startScope();
  for (const { name, floats, run, composed = run } of kernelCases(tokens)) {
    onProgress(`  ${name}`);
    const bytes = 4 * floats * tokens;
    const copy = copyOf(floats * tokens);
    const times: { fused: number; copy: number; composed: number }[] = [];
    for (let round = -1; round < rounds; round++) {
      const undo = accelerate(tf);
      const fused = await timed(run);
      undo();
      const taken = { fused, copy: await copy(), composed: await timed(composed) };
      if (round >= 0) times.push(taken);
    }
    const of = (key: 'fused' | 'copy' | 'composed') => median(times.map((round) => round[key]));
    const row = [
      name,
      (bytes / 2 ** 20).toFixed(0),
      of('fused').toFixed(2),
      (bytes / of('fused') / 1e6).toFixed(1),
      `${(100 * median(times.map((t) => t.copy / t.fused))).toFixed(0)} %`,
      `× ${median(times.map((t) => t.composed / t.fused)).toFixed(1)}`,
    ];
    rows.push(row);
    onProgress(`    ${row.slice(1).join(', ')}`);
  }
  tf.engine().endScope();
  return {
    title: 'Single kernels',
    note: `${tokens} tokens, n = ${n}, C = ${channels}; ${rounds} rounds, in each the kernel, a copy of as many bytes (read + written) and the same composed of stock operations (a gradient: with its forward pass). Medians.`,
    head: ['', 'MiB moved', 'ms', 'GB/s', 'of a copy', 'composed / fused'],
    rows,
  };
}
