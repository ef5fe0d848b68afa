/**
 * Replacements of stock kernels that move or add up whole blocks of values on wasm: SplitV, Concat, GatherV2, which stock does in
 * JavaScript, or value by value; UnsortedSegmentSum, which it lacks; and Identity, which need not move any.
 */
import * as tf from '@tensorflow/tfjs';
import type { Replacement } from '../replace.ts';
import { makeOutput, pointer, type WasmBackend, wasmFunctions } from './module.ts';

const { sizeFromShape, parseAxisParam } = tf.util;
const is4Bytes = (x: tf.TensorInfo) => x.dtype === 'float32' || x.dtype === 'int32';
/** Bytes from one index to the next of the axis before `axis`. */
const bytesFrom = (shape: readonly number[], axis: number) => 4 * sizeFromShape(shape.slice(axis));

export const split: Replacement = {
  kernelName: 'SplitV',
  kernelFunc: (params, stock) => {
    const { inputs, attrs, backend } = params;
    const { x } = inputs as { x: tf.TensorInfo };
    if (!is4Bytes(x)) return stock(params);
    const { numOrSizeSplits, axis: anyAxis } = attrs as { numOrSizeSplits: number | number[]; axis: number };
    const [axis] = parseAxisParam(anyAxis, x.shape);
    const { copyBlocks } = wasmFunctions(backend);
    const count = sizeFromShape(x.shape.slice(0, axis));
    const stride = bytesFrom(x.shape, axis);
    let from = pointer(backend, x);
    return tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, axis).map((size) => {
      const shape = x.shape.with(axis, size);
      const part = makeOutput(backend, shape, x.dtype);
      const bytes = bytesFrom(shape, axis);
      copyBlocks(from, stride, pointer(backend, part), bytes, bytes, count);
      from += bytes;
      return part;
    });
  },
};

export const concat: Replacement = {
  kernelName: 'Concat',
  kernelFunc: (params, stock) => {
    const { inputs, attrs, backend } = params;
    const parts = inputs as unknown as tf.TensorInfo[]; // this kernel is called with a list
    const [{ dtype, shape: first }] = parts;
    if (!parts.every((part) => is4Bytes(part) && part.dtype === dtype)) return stock(params);
    const [axis] = parseAxisParam((attrs as { axis: number }).axis, first);
    const shapes = parts.map((part) => part.shape);
    tf.backend_util.assertParamsConsistent(shapes, axis);
    const out = makeOutput(backend, tf.backend_util.computeOutShape(shapes, axis), dtype);
    const { copyBlocks } = wasmFunctions(backend);
    const count = sizeFromShape(first.slice(0, axis));
    const stride = bytesFrom(out.shape, axis);
    let to = pointer(backend, out);
    for (const part of parts) {
      const bytes = bytesFrom(part.shape, axis);
      copyBlocks(pointer(backend, part), bytes, to, stride, bytes, count);
      to += bytes;
    }
    return out;
  },
};

export const gather: Replacement = {
  kernelName: 'GatherV2',
  kernelFunc: (params, stock) => {
    const { inputs, attrs, backend } = params;
    const { x, indices } = inputs as { x: tf.TensorInfo; indices: tf.TensorInfo };
    const { axis: anyAxis, batchDims } = attrs as { axis: number; batchDims: number };
    if (!is4Bytes(x) || indices.dtype !== 'int32' || batchDims !== 0) return stock(params);
    const [axis] = parseAxisParam(anyAxis, x.shape);
    const outer = x.shape.slice(0, axis);
    const out = makeOutput(backend, [...outer, ...indices.shape, ...x.shape.slice(axis + 1)], x.dtype);
    const [from, ids, to] = [x, indices, out].map((t) => pointer(backend, t));
    const count = sizeFromShape(indices.shape);
    const { gatherBlocks } = wasmFunctions(backend);
    const done = gatherBlocks(from, ids, to, sizeFromShape(outer), x.shape[axis], count, bytesFrom(x.shape, axis + 1));
    if (done) return out;
    tf.backend().disposeData(out.dataId);
    return stock(params); // refuses, and names the index
  },
};

/** The gradient of tf.gather needs it. */
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
    wasmFunctions(backend).segmentSum(px, pIds, pOut, sizeFromShape(segmentIds.shape), sizeFromShape(rest), segments);
    return out;
  },
};

/** Stock copies. A tensor's values never change in place, so a second tensor may share them, as on the other backends. */
export const identity: Replacement = {
  kernelName: 'Identity',
  kernelFunc: ({ inputs, backend }) => {
    const { dataId, shape, dtype } = inputs['x'] as tf.TensorInfo;
    (backend as WasmBackend).incRef(dataId);
    return { dataId, shape, dtype };
  },
};
