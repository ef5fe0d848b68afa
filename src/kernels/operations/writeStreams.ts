/** The streams after a connection, H_res x + H_postᵀ F. What F reads of them is readStreams.ts. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, registerGradientKernel, runKernel, withGradient } from '../operation.ts';
import { isTapeOn } from '../tape.ts';

/** res, x, post and F, to x'. */
export const WRITE_STREAMS: Operation = { name: 'GainwatchWriteStreams', shapes: ([, x]) => [x] };
/** Where a backend keeps F in another form than it comes in: that form is the second output. Its gradient is that of WRITE_STREAMS. */
export const WRITE_STREAMS_KEEPING: Operation = { name: 'GainwatchWriteStreamsKeeping', shapes: ([, x, , branch]) => [x, branch] };
/** res, x, post, F and dx'. */
export const WRITE_STREAMS_GRADIENT: Operation = {
  name: 'GainwatchWriteStreamsGradient',
  shapes: ([res, x, post, branch]) => [res, x, post, branch],
};

registerGradientKernel(WRITE_STREAMS, WRITE_STREAMS_GRADIENT, 4);

/**
 * x'_i = Σ_j H_ij x_j + post_i F. Gradient: dH_ij = ⟨dx'_i, x_j⟩, dx_j = Σ_i H_ij dx'_i, dpost_i = ⟨dx'_i, F⟩,
 * dF = Σ_i post_i dx'_i.
 * @param res H_res, `[..., n, n]`, rows are destinations
 * @param x `[..., n, C]`
 * @param post `[..., n]`
 * @param branch F, `[..., C]`
 * @returns `[..., n, C]`
 */
export function writeStreams(res: tf.Tensor, x: tf.Tensor, post: tf.Tensor, branch: tf.Tensor): tf.Tensor {
  const inputs = [res, x, post, branch];
  if (hasKernel(WRITE_STREAMS_KEEPING) && isTapeOn()) {
    return withGradient(
      inputs,
      (given) => {
        const [streams, kept] = runKernel(WRITE_STREAMS_KEEPING, given);
        return { value: streams, saved: [...given.slice(0, 3), kept] };
      },
      (dy, saved) => runKernel(WRITE_STREAMS_GRADIENT, [...saved, dy]),
    );
  }
  if (hasKernel(WRITE_STREAMS)) return runKernel(WRITE_STREAMS, inputs)[0];
  return tf.add(tf.matMul(res, x), tf.mul(tf.expandDims(post, -1), tf.expandDims(branch, -2)));
}

/** The same, and what is to be kept of F for the backward pass in its place. Not for the tape. */
export function writeStreamsKeeping(...inputs: Parameters<typeof writeStreams>): { streams: tf.Tensor; kept: tf.Tensor } {
  if (!hasKernel(WRITE_STREAMS_KEEPING)) return { streams: writeStreams(...inputs), kept: inputs[3] };
  const [streams, kept] = runKernel(WRITE_STREAMS_KEEPING, inputs);
  return { streams, kept };
}
