/** Memory by connection and kind: what is kept for the backward pass is read off the engine's tape. Runs no operation. */
import * as tf from '@tensorflow/tfjs';
import { storedBytes } from '../../src/kernels/webgpu/packed.ts';
import { MEMORY_KINDS, type MemoryKind, type MemorySample } from '../../src/telemetry/sample.ts';
import type { MemoryState, ProbeState } from './probeState.ts';
import type { SlotOrder } from './sampler.ts';

/** Nodes on the tape; −1: no tape is running. */
export function markTape(): number {
  const { state } = tf.engine();
  return state.gradientDepth > 0 ? state.activeTape.length : -1;
}

/** Of one pass through a connection, of `markTape` each. */
type TapeMarks = Record<'begin' | 'branchBegin' | 'branchEnd' | 'end', number>;

/**
 * Counts what the tape keeps of a connection and of its branch, where this step counts; else notes when its shape has changed.
 * @param shape of the streams. @param kept bytes that are kept for it beside the tape
 * @returns whether it counted
 */
export function countActivations(memory: MemoryState, slot: number, marks: TapeMarks, shape: string, kept: number): boolean {
  const { begin, branchBegin, branchEnd, end } = marks;
  if (!memory.counting || begin < 0 || end < 0) {
    if (shape !== memory.shapes[slot]) memory.stale = true;
    return false;
  }
  memory.shapes[slot] = shape;
  const before = addSavedBytes(memory, begin, branchBegin);
  memory.branchActivations[slot] = addSavedBytes(memory, branchBegin, branchEnd);
  memory.activations[slot] = kept + before + addSavedBytes(memory, branchEnd, end);
  return true;
}

/**
 * Bytes of the buffers that the tape's nodes of this stretch saved, and that none before saved: each buffer is counted
 * once, where it is first kept. Weights are not.
 */
function addSavedBytes({ known, weights }: MemoryState, from: number, to: number): number {
  let bytes = 0;
  for (const node of tf.engine().state.activeTape.slice(from, to)) {
    for (const tensor of node.saved ?? []) bytes += firstBytes(tensor, known, weights);
  }
  return bytes;
}

/** Bytes of a buffer that was not met before and is no weight, else 0. @param known buffers counted so far in this step; grows */
export function firstBytes(tensor: tf.Tensor, known: Set<object>, weights: Set<object>): number {
  if (known.has(tensor.dataId) || weights.has(tensor.dataId)) return 0;
  known.add(tensor.dataId);
  return storedBytes(tf.backend(), tensor);
}

/** Buffers of all variables the engine knows. */
export function variableBuffers(): Set<object> {
  return new Set(Object.values(tf.engine().registeredVariables).map((variable) => variable.dataId));
}

/** What the backend holds on its device, where it counts it; else the bytes of all tensors. */
function allocatedBytes(): number {
  const { numBytesInGPU } = tf.backend().memory() as { numBytesInGPU?: number };
  return numBytesInGPU ?? tf.engine().state.numBytes;
}

/** Bytes of the optimizer's slots by the variable they belong to (`name/m` belongs to `name`), as TF.js's own optimizers keep them. */
function slotBytes(optimizer: tf.Optimizer): Map<string, number> {
  const bytes = new Map<string, number>();
  for (const property of Object.values(optimizer)) {
    if (!Array.isArray(property)) continue;
    for (const slot of property as { originalName?: unknown; variable?: unknown }[]) {
      if (typeof slot?.originalName !== 'string' || !(slot.variable instanceof tf.Variable)) continue;
      const owner = slot.originalName.replace(/\/[^/]*$/, '');
      bytes.set(owner, (bytes.get(owner) ?? 0) + slot.variable.size * 4);
    }
  }
  return bytes;
}

/**
 * Memory at the end of a step; NaN where it is not known. Looks into the optimizer's slots once it has some.
 * @param order slots of the sample; null: the connection did not run, and kept nothing
 */
export function sampleMemory(
  { options: { connections, optimizer, weights }, memory, listing }: ProbeState,
  order: SlotOrder,
): MemorySample {
  if (optimizer !== null && memory.slots.size === 0) memory.slots = slotBytes(optimizer);
  const { slots } = memory;
  const gradients = optimizer === null ? null : memory.gradients;
  const layers = order.length;
  const keptBy = (bytes: readonly number[]) => order.map((slot) => (slot === null ? 0 : (bytes[slot] ?? Number.NaN)));
  const [activations, branchActivations] = [keptBy(memory.activations), keptBy(memory.branchActivations)];
  const values = new Float64Array(MEMORY_KINDS.length * layers).fill(Number.NaN);
  listing.order.forEach((place, at) => {
    const { l, number } = listing.places[place];
    const { layer } = connections[l];
    if (layer === null) return;
    // A connection that runs again has its weights once.
    const own = number > 1 ? [] : layer.connectionWeights.map((weight) => weight.read() as tf.Variable);
    const bytes: Record<MemoryKind, number> = {
      parameters: sum(own.map((v) => v.size * 4)),
      activations: activations[at],
      branch_activations: branchActivations[at],
      gradients: gradients === null ? Number.NaN : sum(own.map((v) => gradients.get(v.name) ?? 0)),
      optimizer: gradients === null ? Number.NaN : sum(own.map((v) => slots.get(v.name) ?? 0)),
    };
    MEMORY_KINDS.forEach((kind, k) => {
      values[k * layers + at] = bytes[kind];
    });
  });
  const totals = new Map([['allocated', allocatedBytes()]]);
  if (weights.length > 0) totals.set('parameters', sum(weights.map((w) => w.read().size * 4)));
  const known = (bytes: number[]) => bytes.filter((b) => !Number.isNaN(b));
  if (known(activations).length > 0) {
    totals.set('activations', sum(known(activations)));
    totals.set('branch_activations', sum(known(branchActivations)));
  }
  if (gradients !== null) {
    totals.set('gradients', sum([...gradients.values()]));
    totals.set('optimizer', sum([...slots.values()]));
  }
  return { connections: values, totals };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
