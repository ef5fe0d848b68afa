/** Puts the kernels of the custom operations in place, by one call, and takes them away again. */
import { adamWKernels } from './adamw.ts';
import { mapsOnHost } from './cpu/maps.ts';
import { projectOnHost } from './cpu/project.ts';
import { sinkhornOnHost } from './cpu/sinkhorn.ts';
import { streamsOnHost } from './cpu/streams.ts';
import { type Engine, replaceKernels } from './replace.ts';
import { squaredNormKernels } from './squaredNorm.ts';

const KERNELS = [...projectOnHost, ...mapsOnHost, ...sinkhornOnHost, ...streamsOnHost, ...adamWKernels, ...squaredNormKernels];

let users = 0;
let restore = () => {};

/**
 * From now on the operations of gainwatch run as one kernel each where the backend has one; without it they are composed of
 * stock operations. May be called more than once, and before a backend is chosen.
 * @param tf the module whose engine trains
 * @returns undoes this call; the last undo puts back what was there before the first
 */
export function accelerate(tf: Engine): () => void {
  if (users++ === 0) restore = replaceKernels(tf, KERNELS);
  let undone = false;
  return () => {
    if (undone) return;
    undone = true;
    if (--users === 0) restore();
  };
}
