/** Memory by connection and kind: what is kept for the backward pass is read off the engine's tape. Runs no operation. */
import * as tf from '@tensorflow/tfjs';
import { storedBytes } from '../../src/kernels/webgpu/packed.ts';
import { MEMORY_KINDS, type MemorySample } from '../../src/telemetry/sample.ts';
import { slotBytes } from './optimizer.ts';
import type { Probe } from './state.ts';

export interface TapeMark {
  /** Nodes on the tape; −1: no tape is running. */
  length: number;
}

export function markTape(): TapeMark {
  const { state } = tf.engine();
  return { length: state.gradientDepth > 0 ? state.activeTape.length : -1 };
}

/**
 * Bytes of the buffers that the tape's nodes of this stretch saved, and that none before saved: each buffer is counted
 * once, where it is first kept. Weights are not.
 * @param known buffers counted so far in this step; grows
 */
export function savedBytes(from: TapeMark, to: TapeMark, known: Set<object>, weights: Set<object>): number {
  let bytes = 0;
  for (const node of tf.engine().state.activeTape.slice(from.length, to.length)) {
    for (const tensor of node.saved ?? []) bytes += firstBytes(tensor, known, weights);
  }
  return bytes;
}

/** Bytes of a buffer that was not met before and is no weight, else 0. */
export function firstBytes(tensor: tf.Tensor, known: Set<object>, weights: Set<object>): number {
  if (known.has(tensor.dataId) || weights.has(tensor.dataId)) return 0;
  known.add(tensor.dataId);
  return storedBytes(tf.backend(), tensor);
}

/** Buffers of all variables the engine knows. */
export function variableBuffers(): Set<object> {
  return new Set(Object.values(tf.engine().registeredVariables).map((variable) => variable.dataId));
}

/** What the backend says it holds on its device, where it says it; else the bytes of all tensors. */
function allocatedBytes(): number {
  const { numBytesInGPU } = tf.backend().memory() as { numBytesInGPU?: number };
  return numBytesInGPU ?? tf.engine().state.numBytes;
}

/** Of the step that ends now. */
export function sampleMemory(probe: Probe): MemorySample {
  const { connections, optimizer, weights } = probe.options;
  const { memory } = probe;
  const layers = connections.length;
  if (optimizer !== null && memory.slots.size === 0) memory.slots = slotBytes(optimizer);
  const values = new Float64Array(MEMORY_KINDS.length * layers).fill(Number.NaN);
  const set = (kind: (typeof MEMORY_KINDS)[number], l: number, bytes: number) => {
    values[MEMORY_KINDS.indexOf(kind) * layers + l] = bytes;
  };
  connections.forEach(({ layer }, l) => {
    if (layer === null) return;
    const own = layer.connectionWeights.map((weight) => weight.read());
    const sum = (of: (variable: tf.Variable) => number) => own.reduce((total, tensor) => total + of(tensor as tf.Variable), 0);
    set(
      'parameters',
      l,
      sum((v) => v.size * 4),
    );
    set('activations', l, memory.activations[l]);
    set('branch_activations', l, memory.branchActivations[l]);
    if (optimizer === null || memory.gradients === null) return;
    const { gradients, slots } = memory;
    set(
      'gradients',
      l,
      sum((v) => gradients.get(v.name) ?? 0),
    );
    set(
      'optimizer',
      l,
      sum((v) => slots.get(v.name) ?? 0),
    );
  });
  const total = (values: Iterable<number>) => [...values].reduce((sum, v) => sum + v, 0);
  const totals: Record<string, number> = { allocated: allocatedBytes() };
  if (weights.length > 0) totals['parameters'] = total(weights.map((w) => w.read().size * 4));
  const known = (bytes: number[]) => bytes.filter((b) => !Number.isNaN(b));
  if (known(memory.activations).length > 0) {
    totals['activations'] = total(known(memory.activations));
    totals['branch_activations'] = total(known(memory.branchActivations));
  }
  if (memory.gradients !== null) {
    totals['gradients'] = total(memory.gradients.values());
    totals['optimizer'] = total(memory.slots.values());
  }
  return { connections: values, totals };
}
