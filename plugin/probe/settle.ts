/** How what was gathered in a step becomes its StepSample, once what was still on a device has been read. */
import * as tf from '@tensorflow/tfjs';
import { sampleSize, splitSample } from '../../src/kernels/sampleConnection.ts';
import type { StepSample } from '../../src/telemetry/sample.ts';
import { type Gathering, laters } from './sampling.ts';
import type { Place } from './stepBuffer.ts';

/** Puts what was read where it belongs. @param values of the tensor of `unread`, or null */
export function settle(
  gathering: Gathering,
  values: Float32Array | null,
): Pick<StepSample, 'mappings' | 'logits' | 'grams' | 'inputSquares' | 'gradientGains' | 'logitGradients' | 'loss' | 'gradientNorm'> {
  let at = 0;
  const size = gathering.n! ** 2;
  gathering.parts.forEach((part, l) => {
    const tensor = gathering.tensors[l];
    if (values === null || (tensor === null && gathering.buffer === null)) return;
    splitSample(values, at, part);
    at += sampleSize(gathering.uniform.length, gathering.n!);
  });
  /** The values it stands for; of tensors in the order of `pending`. */
  const read = (value: tf.Tensor | Place): Float32Array => {
    if (!(value instanceof tf.Tensor)) return values!.subarray(value.at, value.at + value.count);
    at += value.size;
    return values!.subarray(at - value.size, at);
  };
  const numbers = laters(gathering).map((value) => (value === null || typeof value === 'number' ? value : sum(read(value))));
  const [loss, gradientSquares, ...gradients] = numbers;
  const logitGradients = gathering.logitGradients.map((value) => {
    if (value === null) return Number.NaN;
    return normOfLast(value instanceof tf.Tensor || 'count' in value ? read(value as tf.Tensor | Place) : value, size);
  });
  const { mappings, logits, grams, inputSquares } = gathering.arrays!;
  const asked = gradients.some((g) => g !== null);
  return {
    mappings,
    logits,
    grams,
    inputSquares,
    gradientGains: asked
      ? Float32Array.from({ length: gathering.layers }, (_, l) =>
          Math.sqrt((gradients[2 * l] ?? Number.NaN) / (gradients[2 * l + 1] ?? Number.NaN)),
        )
      : null,
    logitGradients: gathering.logitGradients.some((value) => value !== null) ? Float32Array.from(logitGradients) : null,
    loss,
    gradientNorm: gradientSquares === null ? null : Math.sqrt(gradientSquares),
  };
}

const sum = (values: Float32Array): number => values.reduce((total, v) => total + v, 0);

/** ‖the last `size` values‖ */
function normOfLast(values: ArrayLike<number>, size: number): number {
  let squares = 0;
  for (let k = values.length - size; k < values.length; k++) squares += values[k] ** 2;
  return Math.sqrt(squares);
}
