/** Runs the custom operations through the TF.js engine, so that autodiff, tf.memory and tf.profile see them. */
import * as tf from '@tensorflow/tfjs';

export type Attributes = Record<string, number | boolean>;

/** What all kernels of an operation have in common. */
export interface Operation {
  name: string;
  /** Shapes of the outputs that are computed (all float32), from those of the inputs. */
  shapes: (inputs: readonly number[][], attributes: Attributes) => number[][];
  /** One more output, the last: this input itself, its values shared. */
  through?: number;
}

/** Does the current backend have this kernel (see accelerate.ts)? Otherwise the operation is composed of stock ones. */
export function hasKernel({ name }: Operation): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

/** Runs a registered kernel; its inputs reach it in this order. */
export function runKernel({ name }: Operation, inputs: readonly tf.Tensor[], attributes: Attributes = {}): tf.Tensor[] {
  const named: tf.NamedTensorMap = {};
  inputs.forEach((tensor, i) => {
    named[`input${i}`] = tensor;
  });
  const result: unknown = tf.engine().runKernel(name, named, attributes);
  return Array.isArray(result) ? result : [result as tf.Tensor];
}

/**
 * The gradient of an operation by another kernel, which computes the gradients of all inputs at once.
 * @param saved how many of the operation's inputs the gradient kernel takes first, in order
 * @param outputs which of the operation's outputs it takes next; the gradients of all outputs follow
 */
export function registerGradientKernel(
  operation: Operation,
  gradient: Operation,
  { saved, outputs = [] }: { saved: number; outputs?: boolean[] },
): void {
  const names = Array.from({ length: saved }, (_, i) => `input${i}`);
  tf.registerGradient({
    kernelName: operation.name,
    inputsToSave: names,
    outputsToSave: outputs,
    gradFunc: (dy, tensors, attributes) => {
      const gradients = runKernel(gradient, [...tensors, ...(Array.isArray(dy) ? dy : [dy])], attributes as unknown as Attributes);
      return Object.fromEntries(gradients.map((gradient, i) => [`input${i}`, () => gradient]));
    },
  });
}

/** The outputs that a kernel computed, and the input that goes through as one more reference to its values. */
export function withThrough({ through }: Operation, inputs: tf.TensorInfo[], outputs: tf.TensorInfo[], backend: unknown): tf.TensorInfo[] {
  if (through === undefined) return outputs;
  const { dataId, shape, dtype } = inputs[through];
  (backend as tf.KernelBackend).incRef(dataId);
  return [...outputs, { dataId, shape, dtype }];
}
