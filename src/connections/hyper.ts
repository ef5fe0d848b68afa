/** Hyper-Connections (HC, arXiv 2409.19606) as a function over tensors; the layer is in layers.ts. */
import type { Tensor } from '@tensorflow/tfjs';
import { hyperMaps, staticMaps } from '../kernels/operations/hyperMaps.ts';
import { project } from '../kernels/operations/project.ts';
import { readStreams } from '../kernels/operations/readStreams.ts';
import { phasesOf } from './block.ts';
import { type Branch, connect, type Open } from './connect.ts';
import { unobserved } from './observer.ts';
import { type ConnectionOptions, checkShape, checkStreams, DEFAULT_NORM_EPS } from './shapes.ts';

export interface HyperParameters {
  /** `[C, n + 2]`, columns θ_pre, θ_post, θ_res row 0 … n − 1. null together with alpha: static HC. */
  theta: Tensor | null;
  /** `[3]`: α_pre, α_post, α_res. */
  alpha: Tensor | null;
  /** `[n + 2, n]`: rows b_pre, b_post, b_res. */
  b: Tensor;
}

export type HyperOptions = ConnectionOptions;

/**
 * x' = H_res x + H_postᵀ F(H_pre x), H = α ∘ tanh(θ x̃ᵀ) + b (Eq 3 and 5 of arXiv 2512.24880; src/README.md,
 * "Connections"); static: H = b.
 * @param x the streams, `[..., n, C]`, n from 1 to 8
 * @param branch F, `[..., C]` → `[..., C]`
 * @returns `[..., n, C]`
 * @throws if a shape does not fit, naming it
 */
export function hyperConnection(x: Tensor, branch: Branch, parameters: HyperParameters, options: HyperOptions = {}): Tensor {
  const { normEps = DEFAULT_NORM_EPS, observer = unobserved, block = null } = options;
  const { theta, alpha, b } = parameters;
  const [n, channels] = checkStreams('hyperConnection', x);
  checkShape('hyperConnection', 'b', b, [n + 2, n]);
  if ((theta === null) !== (alpha === null)) {
    throw new Error('hyperConnection: theta and alpha are both given (dynamic) or both null (static), got one of them');
  }
  if (theta !== null) checkShape('hyperConnection', 'theta', theta, [channels, n + 2]);
  if (alpha !== null) checkShape('hyperConnection', 'alpha', alpha, [3]);
  const dynamic = theta !== null && alpha !== null;
  const open: Open = (streams, [bias, ...moving]) => {
    const projected = dynamic ? project(streams, moving[0], 1, normEps) : null;
    const { pre, post, res } =
      projected === null ? staticMaps(bias, streams.shape.slice(0, -2)) : hyperMaps(projected.p, projected.s, moving[1], bias);
    return { ...readStreams(pre, projected?.x ?? streams), res, post, logits: null };
  };
  return connect(x, branch, phasesOf(open, dynamic ? [b, theta, alpha] : [b], block), observer);
}
