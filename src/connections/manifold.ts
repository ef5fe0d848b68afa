/** Manifold-Constrained Hyper-Connections (mHC, arXiv 2512.24880) as a function over tensors; the layer is in layers.ts. */
import type { Tensor } from '@tensorflow/tfjs';
import { manifoldMaps } from '../kernels/maps.ts';
import { project } from '../kernels/project.ts';
import { sinkhorn } from '../kernels/sinkhorn.ts';
import { readStreams, writeStreams } from '../kernels/streams.ts';
import type { Convention } from '../telemetry/sample.ts';
import { type ConnectionObserver, unobserved } from './observer.ts';
import type { Branch } from './residual.ts';
import { checkShape, checkStreams } from './shapes.ts';

export interface ManifoldParameters {
  /** `[nC, n² + 2n]`, columns pre, post, res row-major. */
  phi: Tensor;
  /** `[3]`: α_pre, α_post, α_res. */
  alpha: Tensor;
  /** `[n² + 2n]`, in the order of phi's columns. */
  b: Tensor;
}

export interface ManifoldOptions {
  /** Which Sinkhorn (reference, section 2); 'paper' unless given. */
  convention?: Convention;
  /** Sinkhorn iterations; 20 unless given. */
  iterations?: number;
  /** ε of the deepseek convention; 1e-6 there unless given. The paper's convention has none. */
  epsilon?: number;
  /** ε inside the RMS; 1e-6 unless given. */
  normEps?: number;
  observer?: ConnectionObserver;
}

/**
 * x' = H_res x + H_postᵀ F(H_pre x), with H_res = SinkhornKnopp(H̃_res) doubly stochastic (Eq 7 to 9, 14 to 19).
 * @param x the streams, `[..., n, C]`, n from 1 to 8
 * @param branch F, `[..., C]` → `[..., C]`
 * @returns `[..., n, C]`
 * @throws if a shape or an option does not fit, naming it
 */
export function manifoldConnection(x: Tensor, branch: Branch, parameters: ManifoldParameters, options: ManifoldOptions = {}): Tensor {
  const { convention = 'paper', iterations = 20, normEps = 1e-6, observer = unobserved } = options;
  const epsilon = options.epsilon ?? (convention === 'deepseek' ? 1e-6 : 0);
  if (convention === 'paper' && epsilon !== 0) {
    throw new Error(`manifoldConnection: epsilon belongs to the deepseek convention, got ${epsilon} with 'paper'`);
  }
  const [n, channels] = checkStreams('manifoldConnection', x);
  checkShape('manifoldConnection', 'phi', parameters.phi, [n * channels, n * n + 2 * n]);
  checkShape('manifoldConnection', 'alpha', parameters.alpha, [3]);
  checkShape('manifoldConnection', 'b', parameters.b, [n * n + 2 * n]);
  const input = observer.enter(x);
  const projected = project(input, parameters.phi, 2, normEps);
  const { pre, post, res } = manifoldMaps(projected.p, projected.s, parameters.alpha, parameters.b, epsilon);
  const mapping = sinkhorn(res, { iterations, convention, epsilon });
  const read = readStreams(pre, projected.x);
  const output = observer.branch(() => branch(read.u));
  return observer.leave(writeStreams(mapping, read.x, post, output), mapping, res);
}
