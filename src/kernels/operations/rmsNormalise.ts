/** RMS normalisation over the last axis: g x / √(mean x² + ε). One kernel on cpu and wasm where it has a gain, composed elsewhere. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, registerGradientKernel, runKernel } from '../operation.ts';

/** x and gain. */
export const RMS_NORMALISE: Operation = { name: 'GainwatchRmsNormalise', shapes: ([x]) => [x] };
/** x, gain and dy. */
export const RMS_NORMALISE_GRADIENT: Operation = { name: 'GainwatchRmsNormaliseGradient', shapes: ([x, gain]) => [x, gain] };

registerGradientKernel(RMS_NORMALISE, RMS_NORMALISE_GRADIENT, 2);

/**
 * y = g x r with r = (mean x² + ε)^(−1/2) of each row. Gradient: dx = r (g dy − x r² mean(g dy x)), dg = Σ over rows of dy x r.
 * @param x `[..., C]`
 * @param epsilon above 0, or rows of zeros give NaN
 * @param gain `[C]`; none: 1
 * @returns the shape of x
 * @throws Error where the gain's shape does not fit
 */
export function rmsNormalise(x: tf.Tensor, epsilon: number, gain?: tf.Tensor): tf.Tensor {
  if (gain !== undefined && (gain.rank !== 1 || gain.size !== x.shape.at(-1))) {
    throw new Error(`rmsNormalise: gain must have one value for each of the last axis of x, got gain [${gain.shape}] and x [${x.shape}]`);
  }
  if (gain !== undefined && hasKernel(RMS_NORMALISE)) return runKernel(RMS_NORMALISE, [x, gain], { epsilon })[0];
  const normed = tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon)));
  return gain === undefined ? normed : tf.mul(normed, gain);
}
