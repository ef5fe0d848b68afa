/**
 * The one place where a connection can be looked into while it runs. An observer may hand out identities of the
 * streams (to see their gradient) but must not change a value. Types only; the monitor's observer is plugin/probe.
 */
import type { Tensor } from '@tensorflow/tfjs';

export interface ConnectionObserver {
  /** The streams come in, `[..., n, C]` (`[..., C]` for a residual connection). Returns them, or an identity of them. */
  enter(x: Tensor): Tensor;
  /**
   * Under recompute of whole blocks these streams are all that is kept of a block, whose first connection this is. The other
   * methods are called in the forward pass, where the tape sees nothing, and once more in the backward pass.
   */
  kept?(x: Tensor): void;
  /** Runs the branch and returns what it returns. */
  branch(run: () => Tensor): Tensor;
  /**
   * The streams go out. Returns them, or an identity of them.
   * @param mapping H_res, `[..., n, n]`, rows are destinations; null for a residual connection
   * @param logits H̃_res before Sinkhorn, `[..., n, n]`; null where there is none
   */
  leave(output: Tensor, mapping: Tensor | null, logits: Tensor | null): Tensor;
}

/** Looks at nothing. */
export const unobserved: ConnectionObserver = {
  enter: (x) => x,
  branch: (run) => run(),
  leave: (output) => output,
};
