/** All kernels on WebGPU. */
import type * as tf from '@tensorflow/tfjs';
import { adamWOnWebGPU } from './adamw.ts';
import { mapsOnWebGPU } from './maps.ts';
import { projectOnWebGPU } from './project.ts';
import { sinkhornOnWebGPU } from './sinkhorn.ts';
import { squaredNormOnWebGPU } from './squaredNorm.ts';
import { streamsOnWebGPU } from './streams.ts';

export const WEBGPU_KERNELS: readonly tf.KernelConfig[] = [
  ...projectOnWebGPU,
  ...mapsOnWebGPU,
  ...sinkhornOnWebGPU,
  ...streamsOnWebGPU,
  adamWOnWebGPU,
  squaredNormOnWebGPU,
];
