/** UnsortedSegmentSum on wasm, where there is none: the gradient of tf.gather needs it. */
import * as tf from '@tensorflow/tfjs';
import type { Replacement } from '../replace.ts';
import { makeOutput, pointer, wasmFunctions } from './module.ts';

export const segmentSum: Replacement = {
  kernelName: 'UnsortedSegmentSum',
  kernelFunc: (params, stock) => {
    const { inputs, attrs, backend } = params;
    const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
    const segments = attrs?.['numSegments'] as number;
    if (x.dtype !== 'float32' || segmentIds.dtype !== 'int32') return stock(params);
    const rest = x.shape.slice(segmentIds.shape.length);
    const out = makeOutput(backend, [segments, ...rest]);
    const [px, pIds, pOut] = [x, segmentIds, out].map((t) => pointer(backend, t));
    const { sizeFromShape } = tf.util;
    wasmFunctions(backend).segmentSum(px, pIds, pOut, sizeFromShape(segmentIds.shape), sizeFromShape(rest), segments);
    return out;
  },
};
