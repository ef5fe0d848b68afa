/**
 * The coefficients of a connection from its streams (K1 and K2 of the paper): normalise, project, bound. Composed of
 * stock operations; the seam behind which fused kernels can come.
 */
import * as tf from '@tensorflow/tfjs';
import { dense } from './dense.ts';
import { rmsNormalise } from './normalise.ts';

/** `pre` and `post` are `[..., 1, n]`, `res` is `[..., n, n]`. */
export interface Coefficients {
  pre: tf.Tensor;
  post: tf.Tensor;
  res: tf.Tensor;
}

/** α [3] repeated to one value per column: `counts` times α_pre, α_post, α_res. `[1, Σ counts]` */
function spreadAlpha(alpha: tf.Tensor, counts: readonly [number, number, number]): tf.Tensor {
  const width = counts[0] + counts[1] + counts[2];
  const select = new Float32Array(3 * width);
  let column = 0;
  counts.forEach((count, row) => {
    select.fill(1, row * width + column, row * width + column + count);
    column += count;
  });
  return tf.matMul(alpha.reshape([1, 3]), tf.tensor2d(select, [3, width]));
}

/**
 * HC, section 1 of the reference: α ∘ tanh(θ x̃ᵀ) + b with x̃ the RMS-normalised rows of x.
 * @param x `[..., n, C]`
 * @param theta `[C, n + 2]`, columns pre, post, res row 0 … n − 1
 * @param alpha `[3]`
 * @param b `[n + 2, n]`, rows in the order of theta's columns
 */
export function hyperCoefficients(x: tf.Tensor, theta: tf.Tensor, alpha: tf.Tensor, b: tf.Tensor, normEps: number): Coefficients {
  const n = x.shape.at(-2) as number;
  const scaled = tf.mul(tf.tanh(dense(rmsNormalise(x, normEps), theta)), spreadAlpha(alpha, [1, 1, n]).reshape([n + 2])); // [..., n, n + 2]
  const axes = x.shape.map((_, i) => i);
  const rows = tf.transpose(scaled, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]); // [..., n + 2, n]
  return splitRows(tf.add(rows, b), n);
}

/** Static HC: b for every token. @param b `[n + 2, n]` @param batch the leading axes of x */
export function staticCoefficients(b: tf.Tensor, batch: readonly number[]): Coefficients {
  const n = b.shape[1] as number;
  const ones = batch.map(() => 1);
  return splitRows(tf.tile(b.reshape([...ones, n + 2, n]), [...batch, 1, 1]), n);
}

function splitRows(rows: tf.Tensor, n: number): Coefficients {
  const [pre, post, res] = tf.split(rows, [1, 1, n], -2);
  return { pre, post, res };
}

/**
 * mHC, Eq 14 to 18: H̃ = α ∘ (x⃗ φ) / r + b, H_pre = σ(H̃_pre) + ε, H_post = 2 σ(H̃_post); `res` is H̃_res, before Sinkhorn.
 * @param x `[..., n, C]`
 * @param phi `[nC, n² + 2n]`, columns pre, post, res row-major
 * @param alpha `[3]`
 * @param b `[n² + 2n]`
 * @param epsilon 0 for the paper's convention
 */
export function manifoldCoefficients(
  x: tf.Tensor,
  phi: tf.Tensor,
  alpha: tf.Tensor,
  b: tf.Tensor,
  normEps: number,
  epsilon: number,
): Coefficients {
  const [n, channels] = x.shape.slice(-2);
  const batch = x.shape.slice(0, -2);
  const flat = x.reshape([...batch, n * channels]);
  const inverseNorm = tf.rsqrt(tf.add(tf.mean(tf.square(flat), -1, true), normEps)); // [..., 1]
  const alphas = spreadAlpha(alpha, [n, n, n * n]).reshape([n * n + 2 * n]);
  const h = tf.add(tf.mul(tf.mul(dense(flat, phi), inverseNorm), alphas), b); // [..., n² + 2n]
  const [pre, post, res] = tf.split(h, [n, n, n * n], -1);
  const bounded = tf.sigmoid(pre);
  return {
    pre: (epsilon === 0 ? bounded : tf.add(bounded, epsilon)).reshape([...batch, 1, n]),
    post: tf.mul(tf.sigmoid(post), 2).reshape([...batch, 1, n]),
    res: res.reshape([...batch, n, n]),
  };
}
