/** What the connections share: checks of shapes, whose errors name the thing, the rule and the value, options and a default. */
import type { Tensor } from '@tensorflow/tfjs';
import type { RecomputeBlock } from './block.ts';
import type { ConnectionObserver } from './observer.ts';

/** n of our own connections, at most. Our choice: shaders write out n² entries, and n² sums have to fit a workgroup's memory. */
export const MAX_OWN_STREAMS = 8;

/** Of HC and mHC. */
export interface ConnectionOptions {
  /** ε inside the RMS; 1e-6 unless given. */
  normEps?: number;
  observer?: ConnectionObserver;
  /** The block it is rerun with in the backward pass; null, or not given: all is kept. */
  block?: RecomputeBlock | null;
}

/** ε inside the RMS. The papers do not say; 1e-6 is what RMS norms usually have. */
export const DEFAULT_NORM_EPS = 1e-6;

/** @returns [n, C] of streams `[..., n, C]` @throws Error where x is none */
export function checkStreams(where: string, x: Tensor): [number, number] {
  const [n, channels] = x.shape.slice(-2);
  if (x.rank < 3 || n < 1 || n > MAX_OWN_STREAMS) {
    throw new Error(`${where}: x must be [..., n, C] with n from 1 to ${MAX_OWN_STREAMS}, got [${x.shape}]`);
  }
  return [n, channels];
}

/** @throws Error where the tensor has another shape, naming it */
export function checkShape(where: string, name: string, tensor: Tensor, expected: readonly number[]): void {
  if (tensor.rank !== expected.length || expected.some((d, i) => tensor.shape[i] !== d)) {
    throw new Error(`${where}: ${name} must be [${expected}], got [${tensor.shape}]`);
  }
}
