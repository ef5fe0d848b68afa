/** Looks into an optimizer: its learning rate, its slots, and the gradients on their way to the update. */
import * as tf from '@tensorflow/tfjs';
import { overrideMethod } from './override.ts';

export type Gradients = Parameters<tf.Optimizer['applyGradients']>[0];

/** Calls `onGradients` before each update, which stays the optimizer's own. @returns removes the hook */
export function hookOptimizer(optimizer: tf.Optimizer, onGradients: (gradients: Gradients) => void): () => void {
  return overrideMethod(optimizer, 'applyGradients', (original) => (gradients) => {
    onGradients(gradients);
    original.call(optimizer, gradients);
  });
}

/** The gradients that there are, by the name of the variable. */
export function gradientsByName(gradients: Gradients): Map<string, tf.Tensor> {
  const list = Array.isArray(gradients) ? gradients.map((g) => [g.name, g.tensor] as const) : Object.entries(gradients);
  return new Map(list.filter(([, tensor]) => tensor != null));
}

/** The learning rate of the next update; null where the optimizer has none. */
export function learningRateOf(optimizer: tf.Optimizer): number | null {
  const { learningRate } = optimizer as unknown as { learningRate?: unknown };
  return typeof learningRate === 'number' ? learningRate : null;
}

/** Bytes of the optimizer's slots by the variable they belong to (`name/m` belongs to `name`), as TF.js's own optimizers keep them. */
export function slotBytes(optimizer: tf.Optimizer): Map<string, number> {
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
