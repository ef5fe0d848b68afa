/** Manifold-Constrained Hyper-Connections (mHC, arXiv 2512.24880) as a function over tensors; the layer is in layers.ts. */
import type { Tensor } from '@tensorflow/tfjs';
import { manifoldMaps } from '../kernels/operations/manifoldMaps.ts';
import { openManifold } from '../kernels/operations/openManifold.ts';
import { project } from '../kernels/operations/project.ts';
import { readStreams } from '../kernels/operations/readStreams.ts';
import { sinkhorn } from '../kernels/operations/sinkhorn.ts';
import { DEFAULT_ITERATIONS, defaultEpsilon, type SinkhornOptions } from '../measures/sinkhornKnopp.ts';
import { phasesOf } from './block.ts';
import { type Branch, connect, type Open } from './connect.ts';
import { unobserved } from './observer.ts';
import { type ConnectionOptions, checkShape, checkStreams, DEFAULT_NORM_EPS } from './shapes.ts';

export interface ManifoldParameters {
  /** `[nC, n² + 2n]`, columns pre, post, res row-major. */
  phi: Tensor;
  /** `[3]`: α_pre, α_post, α_res. */
  alpha: Tensor;
  /** `[n² + 2n]`, in the order of phi's columns. */
  b: Tensor;
}

export interface ManifoldOptions extends SinkhornOptions, ConnectionOptions {}

/**
 * x' = H_res x + H_postᵀ F(H_pre x), with H_res = SinkhornKnopp(H̃_res) doubly stochastic (Eq 7 to 9, 14 to 19 of
 * arXiv 2512.24880; src/README.md, "Connections").
 * @param x the streams, `[..., n, C]`, n from 1 to 8
 * @param branch F, `[..., C]` → `[..., C]`
 * @returns `[..., n, C]`
 * @throws if a shape or an option does not fit, naming it
 */
export function manifoldConnection(x: Tensor, branch: Branch, parameters: ManifoldParameters, options: ManifoldOptions = {}): Tensor {
  const { convention = 'paper', iterations = DEFAULT_ITERATIONS, epsilon = defaultEpsilon(convention) } = options;
  const { normEps = DEFAULT_NORM_EPS, observer = unobserved, block = null } = options;
  if (convention === 'paper' && epsilon !== 0) {
    throw new Error(`manifoldConnection: epsilon belongs to the deepseek convention, got ${epsilon} with 'paper'`);
  }
  const [n, channels] = checkStreams('manifoldConnection', x);
  checkShape('manifoldConnection', 'phi', parameters.phi, [n * channels, n * n + 2 * n]);
  checkShape('manifoldConnection', 'alpha', parameters.alpha, [3]);
  checkShape('manifoldConnection', 'b', parameters.b, [n * n + 2 * n]);
  const open: Open = (streams, [phi, alpha, b]) => {
    const whole = openManifold(streams, [phi, alpha, b], { iterations, convention, epsilon, normEps });
    if (whole !== null) return whole;
    const projected = project(streams, phi, 2, normEps);
    const { pre, post, res: logits } = manifoldMaps(projected.p, projected.s, alpha, b, epsilon);
    const res = sinkhorn(logits, { iterations, convention, epsilon });
    return { ...readStreams(pre, projected.x), res, post, logits };
  };
  return connect(x, branch, phasesOf(open, [parameters.phi, parameters.alpha, parameters.b], block), observer);
}
