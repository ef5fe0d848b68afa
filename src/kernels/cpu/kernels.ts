/** All kernels on cpu: a line for each operation. */
import type * as tf from '@tensorflow/tfjs';
import { adamWUpdateKernels } from './adamWUpdate.ts';
import { causalAttentionKernels } from './causalAttention.ts';
import { crossEntropyKernels } from './crossEntropy.ts';
import { hyperMapsKernels } from './hyperMaps.ts';
import { manifoldMapsKernels } from './manifoldMaps.ts';
import { projectKernels } from './project.ts';
import { readStreamsKernels } from './readStreams.ts';
import { reluKernels } from './relu.ts';
import { rmsNormaliseKernels } from './rmsNormalise.ts';
import { sinkhornKernels } from './sinkhorn.ts';
import { squaredNormKernels } from './squaredNorm.ts';
import { writeStreamsKernels } from './writeStreams.ts';

export const CPU_KERNELS: readonly tf.KernelConfig[] = [
  ...adamWUpdateKernels,
  ...causalAttentionKernels,
  ...crossEntropyKernels,
  ...hyperMapsKernels,
  ...manifoldMapsKernels,
  ...projectKernels,
  ...readStreamsKernels,
  ...reluKernels,
  ...rmsNormaliseKernels,
  ...sinkhornKernels,
  ...squaredNormKernels,
  ...writeStreamsKernels,
];
