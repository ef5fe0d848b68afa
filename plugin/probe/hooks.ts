/** The hooks on what is not gainwatch's: the connections of the user's own, and the gradients on their way to the optimizer. */
import * as tf from '@tensorflow/tfjs';
import { MAX_STREAMS } from '../../src/connections/shapes.ts';
import { isRerunning, offTape } from '../../src/kernels/tape.ts';
import { captureConnection } from './capture.ts';
import type { OwnConnection } from './findConnections.ts';
import { type Gradients, gradientsByName, learningRateOf } from './optimizer.ts';
import { overrideMethod } from './override.ts';
import { guard, type ProbeState } from './probeState.ts';

/**
 * Looks at what the layer of a connection of the user's own gives; without a layer `observeOwn` is called instead.
 * @returns removes the hook
 */
export function hookOwn(probe: ProbeState, l: number, own: OwnConnection): () => void {
  const { layer } = own;
  if (layer === undefined) return () => {};
  return overrideMethod(layer, 'call', (original) => (inputs, kwargs) => {
    const result = original.call(layer, inputs, kwargs);
    observeOwn(probe, l, Array.isArray(result) ? result[0] : result);
    return result;
  });
}

/** Captures what the mapping of the user's own connection `l` reads from a tensor. A fault in it is handled, not thrown. */
export function observeOwn(probe: ProbeState, l: number, tensor: tf.Tensor): void {
  if (probe.capture === null || isRerunning()) return;
  guard(probe, () => {
    const { info, own } = probe.options.connections[l];
    const { capture } = probe;
    if (capture === null) return;
    // The mapping may run operations: none of them belongs on the tape, and none of its tensors stays.
    offTape(() =>
      tf.tidy(() => {
        const mapping: unknown = own!.mapping(tensor);
        const [rows, n] = mapping instanceof tf.Tensor ? mapping.shape.slice(-2) : [];
        if (!(mapping instanceof tf.Tensor) || n === undefined || rows !== n || n < 1 || n > MAX_STREAMS) {
          const got = mapping instanceof tf.Tensor ? `[${mapping.shape}]` : String(mapping);
          throw new Error(`${info.name}: mapping must return H_res [..., n, n] with n from 1 to ${MAX_STREAMS}, got ${got}`);
        }
        captureConnection(capture, l, { mapping, logits: null, input: null, output: null }, n);
      }),
    );
  });
}

/** Captures the gradients' norm, those of the logits' biases, and the learning rate. @param gradients before the update */
export function handleGradients(probe: ProbeState, gradients: Gradients): void {
  const { capture, memory, options } = probe;
  if (capture === null || options.optimizer === null) return;
  capture.learningRate = learningRateOf(options.optimizer);
  const named = gradientsByName(gradients);
  capture.sampler.captureGradients([...named.values()]);
  const ofLogits = new Map<number, tf.Tensor>();
  options.connections.forEach(({ layer }, l) => {
    const bias = layer?.logitBias?.read() as tf.Variable | undefined;
    const gradient = bias && named.get(bias.name);
    if (gradient !== undefined) ofLogits.set(l, gradient);
  });
  capture.sampler.captureLogitGradients(ofLogits);
  memory.gradients = new Map([...named].map(([name, g]) => [name, g.size * 4]));
}
