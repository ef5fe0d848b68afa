/**
 * A block of connections whose own part is rerun in the backward pass (mode `connections` of recompute.ts). The tape keeps the
 * streams before the block's first connection, and each branch's output; the branches stay on the tape as they are. The
 * first gradient that is asked of the block reruns its connections, on tapes of their own, which are then walked back.
 */
import * as tf from '@tensorflow/tfjs';
import { writeStreams, writeStreamsKeeping } from '../kernels/operations/writeStreams.ts';
import { addNode, alias, hold, isTapeOn, keepAll, offTape, type Recording, record, walk } from '../kernels/tape.ts';
import type { Open, Opened, Phases } from './connect.ts';

/** What one connection of a block needs to run again: references that the tape keeps alive. */
interface Entry {
  open: Open;
  parameters: readonly tf.Tensor[];
  branch: tf.Tensor | null;
}

/** One of them, run again: its input, and what was recorded before its branch and after it. */
interface Again {
  x: tf.Tensor;
  opened: Recording<Opened>;
  closed: Recording<tf.Tensor>;
}

/** The state of one pass, forward and back. */
export interface RecomputeBlock {
  /** Do the last connection's streams leave what is ours, so that their gradient may be someone else's too? */
  readonly outward: boolean;
  start: tf.Tensor | null;
  readonly entries: Entry[];
  /** Connections of the block, as many as will be opened. */
  readonly length: number;
  again: Again[] | null;
}

/**
 * A block for `length` connections that are applied one after the other, each to what the one before gave and nothing else.
 * @param outward see RecomputeBlock
 */
export function createBlock(length: number, outward = true): RecomputeBlock {
  return { length, outward, start: null, entries: [], again: null };
}

/** A connection's phases: those of the block while operations are recorded, else as they are. @param block null: all is kept */
export function phasesOf(open: Open, parameters: readonly tf.Tensor[], block: RecomputeBlock | null): Phases {
  if (block !== null && isTapeOn()) {
    return { open: (x) => openInBlock(block, x, open, parameters), close: (opened, output) => closeInBlock(block, opened, output) };
  }
  return { open: (x) => open(x, parameters), close: ({ res, x, post }, output) => writeStreams(res, x, post, output) };
}

/** The connection up to its branch, as one node on the tape. */
function openInBlock(block: RecomputeBlock, x: tf.Tensor, open: Open, parameters: readonly tf.Tensor[]): Opened {
  const opened = offTape(() => open(x, parameters));
  // A composed operation hands its input through; a node's output is a tensor of its own.
  const through = opened.x === x ? offTape(() => alias(x)) : opened.x;
  const { u, res, post } = opened;
  const k = block.entries.length;
  if (k >= block.length) throw new Error(`a block of ${block.length} connections takes no more, got another`);
  const saved = keepAll(k === 0 ? [...parameters, x] : parameters);
  if (k === 0) block.start = saved[parameters.length];
  const kept = saved.slice(0, parameters.length);
  block.entries.push({ open, parameters: kept, branch: null });
  addNode('connection up to its branch', [x, ...parameters], [u, through, res, post], saved, (dys) => {
    const again = rerun(block, k);
    const { result } = again.opened;
    const outputs = [result.u, result.x, result.res, result.post];
    const seeds = outputs.map((output, i) => [output, dys[i]] as const);
    const gradients = walk(again.opened, seeds, [again.x, ...kept]);
    // But for u's nobody else's: closeInBlock made them. TF.js would keep them until the whole backward pass has ended.
    for (const gradient of dys.slice(1)) gradient?.dispose();
    return orZeros(gradients, [x, ...parameters]);
  });
  return { ...opened, x: through };
}

/** The connection after its branch, as one node on the tape. */
function closeInBlock(block: RecomputeBlock, { res, x, post }: Opened, output: tf.Tensor): tf.Tensor {
  const k = block.entries.length - 1;
  const { streams: written, kept } = offTape(() => writeStreamsKeeping(res, x, post, output));
  const saved = keepAll([kept]);
  if (kept !== output) kept.dispose();
  block.entries[k].branch = saved[0];
  const frees = k < block.length - 1 || !block.outward;
  addNode('connection after its branch', [res, x, post, output], [written], saved, ([dy]) => {
    const { opened, closed } = rerun(block, k);
    const { result } = opened;
    const gradients = walk(closed, [[closed.result, dy]], [result.res, result.x, result.post, saved[0]]);
    if (frees) dy?.dispose();
    return orZeros(gradients, [res, x, post, output]);
  });
  return written;
}

/** The k-th connection of the block, rerun. The backward pass comes to the last one first: it reruns all before it too. */
function rerun(block: RecomputeBlock, k: number): Again {
  if (block.again === null) {
    const list: Again[] = [];
    let x = block.start as tf.Tensor;
    for (const { open, parameters, branch } of block.entries.slice(0, k + 1)) {
      const input = x;
      x = tf.tidy(() => {
        const opened = record(() => open(input, parameters));
        const { res, x: through, post } = opened.result;
        const closed = record(() => writeStreams(res, through, post, branch as tf.Tensor));
        list.push({ x: input, opened, closed });
        return closed.result;
      });
      if (input !== block.start) input.dispose();
    }
    x.dispose();
    hold(list.flatMap(({ opened, closed }) => [...opened.nodes, ...closed.nodes]));
    block.again = list;
  }
  return block.again[k];
}

function orZeros(gradients: readonly (tf.Tensor | null)[], inputs: readonly tf.Tensor[]): tf.Tensor[] {
  return gradients.map((gradient, i) => gradient ?? tf.zeros(inputs[i].shape));
}
