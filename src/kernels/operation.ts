/**
 * What an operation of our own is, and how it runs: through the TF.js engine, so that autodiff, tf.memory and tf.profile see it.
 * Knows no operation (those are in operations/) and no backend (their kernels are in cpu/, wasm/ and webgpu/).
 */
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

/**
 * Runs a registered kernel; its inputs reach it in this order.
 * @returns the outputs of `shapes`, then the input that goes `through`
 * @throws where the current backend has no such kernel
 */
export function runKernel({ name }: Operation, inputs: readonly tf.Tensor[], attributes: Attributes = {}): tf.Tensor[] {
  const named = Object.fromEntries(inputs.map((tensor, i) => [`input${i}`, tensor]));
  const result: unknown = tf.engine().runKernel(name, named, attributes);
  return Array.isArray(result) ? result : [result as tf.Tensor];
}

/**
 * The gradient of an operation by another kernel, which computes the gradients of all inputs at once.
 * @param saved how many of the operation's inputs the gradient kernel takes first, in order
 * @param outputs which of the operation's outputs it takes next; the gradients of all outputs follow
 */
export function registerGradientKernel(operation: Operation, gradient: Operation, saved: number, outputs: boolean[] = []): void {
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

/**
 * Runs operations as one step of the tape, with a gradient by hand.
 * @param run computes the value; `saved` is kept until the backward pass, none of it else
 * @param gradient from that of the value and what was saved to those of the inputs, in order
 */
export function withGradient(
  inputs: readonly tf.Tensor[],
  run: (inputs: tf.Tensor[]) => { value: tf.Tensor; saved: tf.Tensor[] },
  gradient: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor | tf.Tensor[],
): tf.Tensor {
  const whole = tf.customGrad((...given: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const save = given.pop() as tf.GradSaveFunc;
    const { value, saved } = run(given as tf.Tensor[]);
    save(saved);
    return { value, gradFunc: gradient };
  });
  return whole(...inputs);
}

/** What a kernel is called with. */
export interface KernelCall<Backend> {
  backend: Backend;
  inputs: tf.TensorInfo[];
  /** Those that are computed: what they hold is unspecified. */
  outputs: tf.TensorInfo[];
  /** Of the inputs. */
  shapes: number[][];
  attributes: Attributes;
}

/**
 * An operation's kernel on one backend. Registers nothing: accelerate.ts does.
 * @param make makes the outputs, from their shapes and the inputs
 * @param run fills them
 */
export function kernelFor<Backend>(
  operation: Operation,
  backendName: string,
  make: (backend: Backend, shapes: number[][], inputs: tf.TensorInfo[]) => tf.TensorInfo[],
  run: (call: KernelCall<Backend>) => void,
): tf.KernelConfig {
  return {
    kernelName: operation.name,
    backendName,
    kernelFunc: (params) => {
      const backend = params.backend as Backend;
      const inputs = Object.values(params.inputs) as tf.TensorInfo[];
      const attributes = params.attrs as unknown as Attributes;
      const shapes = inputs.map((t) => t.shape);
      const outputs = make(backend, operation.shapes(shapes, attributes), inputs);
      run({ backend, inputs, outputs, shapes, attributes });
      if (operation.through === undefined) return outputs;
      // One more reference to its values.
      const { dataId, shape, dtype } = inputs[operation.through];
      (params.backend as tf.KernelBackend).incRef(dataId);
      return [...outputs, { dataId, shape, dtype }];
    },
  };
}
