/** What a connection's branch reads, H_pre x. Writing its output back is writeStreams.ts. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, registerGradientKernel, runKernel } from '../operation.ts';

/** pre and x, to u and x itself. */
export const READ_STREAMS: Operation = {
  name: 'GainwatchReadStreams',
  shapes: ([, x]) => [[...x.slice(0, -2), x.at(-1) as number]],
  through: 1,
};
/** pre, x, du and dx̂. */
export const READ_STREAMS_GRADIENT: Operation = { name: 'GainwatchReadStreamsGradient', shapes: ([pre, x]) => [pre, x] };

registerGradientKernel(READ_STREAMS, READ_STREAMS_GRADIENT, 2);

/**
 * u = Σ_j pre_j x_j. Gradient: dpre_j = ⟨du, x_j⟩, dx_j = dx̂_j + pre_j du.
 * @param pre `[..., n]`
 * @param x `[..., n, C]`
 * @returns u `[..., C]`, and x itself for its later uses: their gradient comes back through this operation
 */
export function readStreams(pre: tf.Tensor, x: tf.Tensor): { u: tf.Tensor; x: tf.Tensor } {
  if (hasKernel(READ_STREAMS)) {
    const [u, through] = runKernel(READ_STREAMS, [pre, x]);
    return { u, x: through };
  }
  return { u: tf.squeeze(tf.matMul(tf.expandDims(pre, -2), x), [-2]), x };
}
