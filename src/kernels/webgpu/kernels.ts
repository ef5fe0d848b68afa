/** All kernels on WebGPU, a line for each operation, and which stock ones are replaced. Each is in a file of its own. */
import type * as tf from '@tensorflow/tfjs';
import type { Replacement } from '../replace.ts';
import { adamWUpdateKernels } from './adamWUpdate.ts';
import { hyperMapsKernels } from './hyperMaps.ts';
import { manifoldMapsKernels } from './manifoldMaps.ts';
import { fusedMatMul, matMul } from './matMul.ts';
import { projectKernels } from './project.ts';
import { readStreamsKernels } from './readStreams.ts';
import { sinkhornKernels } from './sinkhorn.ts';
import { squaredNormKernels } from './squaredNorm.ts';
import { writeStreamsKernels } from './writeStreams.ts';

const COMMON = [
  ...adamWUpdateKernels,
  ...hyperMapsKernels,
  ...manifoldMapsKernels,
  ...projectKernels,
  ...readStreamsKernels,
  ...sinkhornKernels,
  ...squaredNormKernels,
];

/** By the storage of the streams. */
export const WEBGPU_KERNELS: Readonly<Record<'float32' | 'float16', readonly tf.KernelConfig[]>> = {
  float32: [...COMMON, ...writeStreamsKernels.float32],
  float16: [...COMMON, ...writeStreamsKernels.float16],
};

export const WEBGPU_REPLACEMENTS: readonly Replacement[] = [matMul, fusedMatMul];
