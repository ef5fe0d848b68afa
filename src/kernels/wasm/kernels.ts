/**
 * All kernels on wasm, a line for each operation, and which stock ones are replaced. Each is in a file of its own, but for replacements
 * that move whole blocks of values: blocks.ts.
 */
import type * as tf from '@tensorflow/tfjs';
import type { Replacement } from '../replace.ts';
import { adamWUpdateKernels } from './adamWUpdate.ts';
import { concat, gather, identity, segmentSum, split } from './blocks.ts';
import { causalAttentionKernels } from './causalAttention.ts';
import { crossEntropyKernels } from './crossEntropy.ts';
import { hyperMapsKernels } from './hyperMaps.ts';
import { manifoldMapsKernels } from './manifoldMaps.ts';
import { matMul } from './matMul.ts';
import { openManifoldKernels } from './openManifold.ts';
import { projectKernels } from './project.ts';
import { readStreamsKernels } from './readStreams.ts';
import { reluKernels } from './relu.ts';
import { rmsNormaliseKernels } from './rmsNormalise.ts';
import { sinkhornKernels } from './sinkhorn.ts';
import { squaredNormKernels } from './squaredNorm.ts';
import { transpose } from './transpose.ts';
import { writeStreamsKernels } from './writeStreams.ts';

export const WASM_KERNELS: readonly tf.KernelConfig[] = [
  ...adamWUpdateKernels,
  ...causalAttentionKernels,
  ...crossEntropyKernels,
  ...hyperMapsKernels,
  ...manifoldMapsKernels,
  ...openManifoldKernels,
  ...projectKernels,
  ...readStreamsKernels,
  ...reluKernels,
  ...rmsNormaliseKernels,
  ...sinkhornKernels,
  ...squaredNormKernels,
  ...writeStreamsKernels,
];

export const WASM_REPLACEMENTS: readonly Replacement[] = [matMul, transpose, identity, split, concat, gather, segmentSum];
