/** The byte-level pre-norm transformer as a tf.LayersModel, its connections chosen by name. No data, no training. */
import * as tf from '@tensorflow/tfjs';
import { ExpandStreams, ReduceStreams } from '../connections/expandStreams.ts';
import type { ConnectionLayer } from '../connections/layer.ts';
import { HyperConnection, ManifoldConnection, type ManifoldConnectionConfig, ResidualConnection } from '../connections/layers.ts';
import { RECOMPUTE_MODES, type RecomputeMode } from '../connections/recompute.ts';
import { MAX_OWN_STREAMS } from '../connections/shapes.ts';
import { ConnectionStack } from '../connections/stack.ts';
import { CausalAttention } from './attention.ts';
import { ByteEmbedding, ByteHead } from './bytes.ts';
import { FeedForward } from './feedForward.ts';

export const CONNECTIONS = ['residual', 'hc', 'hc-static', 'mhc', 'mhc-deepseek'] as const;
export type ConnectionName = (typeof CONNECTIONS)[number];

export interface TransformerConfig {
  connection: ConnectionName;
  /** Blocks; each has two connections. */
  depth: number;
  /** C. */
  width: number;
  /** T, bytes. */
  context: number;
  /** Heads; must divide the width. */
  heads: number;
  /** n; a residual model has one. */
  streams: number;
  seed: number;
  /** What is computed again in the backward pass instead of being kept; 'none' unless given. */
  recompute?: RecomputeMode;
}

/**
 * Bytes `[B, T]` → next-byte logits `[B, T, 256]`. Connection k is named `block{⌊k/2⌋}.attention` or `.mlp`; under recompute they are
 * in one layer.
 * @throws Error where a number of the configuration does not fit, naming it
 */
export function createTransformer(config: TransformerConfig): tf.LayersModel {
  check(config);
  const { connection, depth, width, context, heads, streams, seed, recompute = 'none' } = config;
  // src/README.md, "Connections": with n summed streams the branch's output weights start √n larger (arXiv 2409.19606).
  const outputScale = connection.startsWith('hc') ? Math.sqrt(streams) : 1;
  const input = tf.input({ shape: [context], dtype: 'int32' });
  let x = new ByteEmbedding({ width, context, seed: seed * 1000, name: 'embedding' }).apply(input) as tf.SymbolicTensor;
  if (connection !== 'residual') x = new ExpandStreams({ streams, name: 'expand' }).apply(x) as tf.SymbolicTensor;
  const connections = Array.from({ length: 2 * depth }, (_, k) => {
    const branchSeed = seed * 1000 + 10 * (k + 1);
    const block = `block${k >> 1}`;
    const branch =
      k % 2 === 0
        ? new CausalAttention({ heads, outputScale, seed: branchSeed, name: `${block}.attention.branch` })
        : new FeedForward({ outputScale, seed: branchSeed, name: `${block}.mlp.branch` });
    const name = `${block}.${k % 2 === 0 ? 'attention' : 'mlp'}`;
    return LAYERS[connection]({ name, branch, index: k, seed: branchSeed + 5 });
  });
  const stack = recompute === 'none' ? connections : [new ConnectionStack({ name: 'connections', connections, recompute })];
  for (const layer of stack) x = layer.apply(x) as tf.SymbolicTensor;
  if (connection !== 'residual') x = new ReduceStreams({ name: 'reduce' }).apply(x) as tf.SymbolicTensor;
  const logits = new ByteHead({ seed: seed * 1000 + 1, name: 'head' }).apply(x) as tf.SymbolicTensor;
  return tf.model({ inputs: input, outputs: logits, name: connection });
}

const LAYERS: Record<ConnectionName, (base: ManifoldConnectionConfig) => ConnectionLayer> = {
  residual: ({ index, seed, ...base }) => new ResidualConnection(base),
  hc: ({ seed, ...base }) => new HyperConnection(base),
  'hc-static': ({ seed, ...base }) => new HyperConnection({ ...base, dynamic: false }),
  mhc: (base) => new ManifoldConnection(base),
  'mhc-deepseek': (base) => new ManifoldConnection({ ...base, convention: 'deepseek' }),
};

function check(config: TransformerConfig): void {
  if (!CONNECTIONS.includes(config.connection)) {
    throw new Error(`connection must be one of ${CONNECTIONS.join(', ')}, got ${String(config.connection)}`);
  }
  if (config.recompute !== undefined && !RECOMPUTE_MODES.includes(config.recompute)) {
    throw new Error(`recompute must be one of ${RECOMPUTE_MODES.join(', ')}, got ${String(config.recompute)}`);
  }
  for (const key of ['depth', 'width', 'context', 'heads', 'streams'] as const) {
    if (!Number.isInteger(config[key]) || config[key] < 1) throw new Error(`${key} must be a whole number from 1, got ${config[key]}`);
  }
  if (config.streams > MAX_OWN_STREAMS) throw new Error(`streams must be at most ${MAX_OWN_STREAMS}, got ${config.streams}`);
  if (config.width % config.heads !== 0) {
    throw new Error(`heads must divide the width, got ${config.heads} heads for width ${config.width}`);
  }
}
