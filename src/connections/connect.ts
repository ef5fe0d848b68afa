/**
 * The order of a connection's steps, watched or not: of HC and mHC, whose two phases are made by block.ts, and of the plain
 * residual connection, which has no others. Its layer is in layers.ts.
 */
import { add, type Tensor } from '@tensorflow/tfjs';
import { type ConnectionObserver, unobserved } from './observer.ts';

export type Branch = (u: Tensor) => Tensor;

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

/** What a connection does before its branch and after it. */
export interface Phases {
  open: (x: Tensor) => Opened;
  /** @returns the new streams, from the branch's output */
  close: (opened: Opened, output: Tensor) => Tensor;
}

/**
 * Runs a connection.
 * @param x the streams, `[..., n, C]`
 * @returns the new ones, of the same shape
 */
export function connect(x: Tensor, branch: Branch, { open, close }: Phases, observer: ConnectionObserver): Tensor {
  const opened = open(observer.enter(x));
  const output = observer.branch(() => branch(opened.u));
  return observer.leave(close(opened, output), opened.res, opened.logits);
}

/** x' = x + F(x). @param x `[..., C]` @returns the same shape */
export function residual(x: Tensor, branch: Branch, observer: ConnectionObserver = unobserved): Tensor {
  const input = observer.enter(x);
  const output = observer.branch(() => branch(input));
  return observer.leave(add(input, output), null, null);
}
