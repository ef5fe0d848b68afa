/** All kernels on WebGPU. */
import type * as tf from '@tensorflow/tfjs';
import { adamWOnWebGPU } from './adamw.ts';
import { mapsOnWebGPU } from './maps.ts';
import { projectOnWebGPU } from './project.ts';
import { readStreamsOnWebGPU } from './readStreams.ts';
import { sinkhornOnWebGPU } from './sinkhorn.ts';
import { squaredNormOnWebGPU } from './squaredNorm.ts';
import { writePackedStreamsOnWebGPU, writeStreamsOnWebGPU } from './writeStreams.ts';

/** By the storage of what K5 writes. */
export const WEBGPU_KERNELS: Readonly<Record<'float32' | 'float16', readonly tf.KernelConfig[]>> = {
  float32: all(writeStreamsOnWebGPU),
  float16: all(writePackedStreamsOnWebGPU),
};

function all(writeStreams: readonly tf.KernelConfig[]): tf.KernelConfig[] {
  return [
    ...projectOnWebGPU,
    ...mapsOnWebGPU,
    ...sinkhornOnWebGPU,
    ...readStreamsOnWebGPU,
    ...writeStreams,
    adamWOnWebGPU,
    squaredNormOnWebGPU,
  ];
}
