/** K4 and K5 of the paper: what a connection does to the streams, H_pre x before the branch, H_res x + H_postᵀ F after it. */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, type Operation, registerGradientKernel, runKernel } from './run.ts';
import { isTapeOn } from './tape.ts';

export const READ_STREAMS: Operation = {
  name: 'GainwatchReadStreams',
  shapes: ([, x]) => [[...x.slice(0, -2), x.at(-1) as number]],
  through: 1,
};
export const READ_STREAMS_GRADIENT: Operation = { name: 'GainwatchReadStreamsGradient', shapes: ([pre, x]) => [pre, x] };
export const WRITE_STREAMS: Operation = { name: 'GainwatchWriteStreams', shapes: ([, x]) => [x] };
/** Where a backend keeps F in another form than it comes in: that form is the second output. Its gradient is that of WRITE_STREAMS. */
export const WRITE_STREAMS_KEEPING: Operation = { name: 'GainwatchWriteStreamsKeeping', shapes: ([, x, , branch]) => [x, branch] };
export const WRITE_STREAMS_GRADIENT: Operation = {
  name: 'GainwatchWriteStreamsGradient',
  shapes: ([res, x, post, branch]) => [res, x, post, branch],
};

registerGradientKernel(READ_STREAMS, READ_STREAMS_GRADIENT, { saved: 2 });
registerGradientKernel(WRITE_STREAMS, WRITE_STREAMS_GRADIENT, { saved: 4 });

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
  if (hasKernel(WRITE_STREAMS_KEEPING) && isTapeOn()) return writeOnTape(res, x, post, branch);
  if (hasKernel(WRITE_STREAMS)) return runKernel(WRITE_STREAMS, [res, x, post, branch])[0];
  return tf.add(tf.matMul(res, x), tf.mul(tf.expandDims(post, -1), tf.expandDims(branch, -2)));
}

/** The same, and what is to be kept of F for the backward pass in its place. Not for the tape. */
export function writeStreamsKeeping(
  res: tf.Tensor,
  x: tf.Tensor,
  post: tf.Tensor,
  branch: tf.Tensor,
): { streams: tf.Tensor; kept: tf.Tensor } {
  if (!hasKernel(WRITE_STREAMS_KEEPING)) return { streams: writeStreams(res, x, post, branch), kept: branch };
  const [streams, kept] = runKernel(WRITE_STREAMS_KEEPING, [res, x, post, branch]);
  return { streams, kept };
}

function writeOnTape(...inputs: [res: tf.Tensor, x: tf.Tensor, post: tf.Tensor, branch: tf.Tensor]): tf.Tensor {
  const write = tf.customGrad((...given: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [res, x, post, branch] = given as tf.Tensor[];
    const { streams, kept } = writeStreamsKeeping(res, x, post, branch);
    (given[4] as tf.GradSaveFunc)([res, x, post, kept]);
    return { value: streams, gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => runKernel(WRITE_STREAMS_GRADIENT, [...saved, dy]) };
  });
  return write(...inputs);
}
