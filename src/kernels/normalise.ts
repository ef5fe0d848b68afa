/** RMS normalisation over the last axis: g x / √(mean x² + ε). One kernel on cpu and wasm where it has a gain, composed elsewhere. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, runKernel } from './operation.ts';

export const RMS_NORMALISE = 'GainwatchRmsNormalise';
export const RMS_NORMALISE_GRADIENT = 'GainwatchRmsNormaliseGradient';

tf.registerGradient({
  kernelName: RMS_NORMALISE,
  inputsToSave: ['x', 'gain'],
  gradFunc: (dy, [x, gain], attributes) => {
    const inputs = { x, gain, dy: dy as tf.Tensor };
    const [dx, dGain] = runKernel(RMS_NORMALISE_GRADIENT, inputs, { epsilon: attributes['epsilon'] as number });
    return { x: () => dx, gain: () => dGain };
  },
});

/**
 * @param x `[..., C]`
 * @param epsilon above 0, or rows of zeros give NaN
 * @param gain `[C]`; none: 1
 * @returns the shape of x
 */
export function rmsNormalise(x: tf.Tensor, epsilon: number, gain?: tf.Tensor): tf.Tensor {
  if (gain !== undefined && (gain.rank !== 1 || gain.size !== x.shape.at(-1))) {
    throw new Error(`rmsNormalise: gain must have one value for each of the last axis of x, got gain [${gain.shape}] and x [${x.shape}]`);
  }
  if (gain !== undefined && hasKernel(RMS_NORMALISE)) return runKernel(RMS_NORMALISE, { x, gain }, { epsilon })[0];
  const normed = tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon)));
  return gain === undefined ? normed : tf.mul(normed, gain);
}
