/** What HC and mHC have in common: the order of a connection's steps, watched or not, with recompute or without. */
import type { Tensor } from '@tensorflow/tfjs';
import { writeStreams } from '../kernels/operations/writeStreams.ts';
import { isTapeOn } from '../kernels/tape.ts';
import { closeInBlock, openInBlock, type RecomputeBlock } from './block.ts';
import type { ConnectionObserver } from './observer.ts';
import type { Branch } from './residual.ts';

/** A connection up to its branch. */
export interface Opened {
  /** What the branch reads, H_pre x, `[..., C]` */
  u: Tensor;
  /** The streams, for their next use. */
  x: Tensor;
  /** H_res, `[..., n, n]` */
  res: Tensor;
  /** H_post, `[..., n]` */
  post: Tensor;
  /** H̃_res before Sinkhorn; null where there is none. */
  logits: Tensor | null;
}

/** Coefficients and the branch's input from the streams; it is rerun under recompute. */
export type Open = (x: Tensor, parameters: readonly Tensor[]) => Opened;

export function connect(
  x: Tensor,
  branch: Branch,
  open: Open,
  parameters: readonly Tensor[],
  observer: ConnectionObserver,
  block: RecomputeBlock | null,
): Tensor {
  const input = observer.enter(x);
  const rerun = block !== null && isTapeOn() ? block : null;
  const opened = rerun === null ? open(input, parameters) : openInBlock(rerun, input, open, parameters);
  const output = observer.branch(() => branch(opened.u));
  const { res, post } = opened;
  const written = rerun === null ? writeStreams(res, opened.x, post, output) : closeInBlock(rerun, opened, output);
  return observer.leave(written, res, opened.logits);
}
