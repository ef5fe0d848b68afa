/** The hooks on what is not gainwatch's: the connections of the user's own, and the gradients on their way to the optimizer's update. */
import * as tf from '@tensorflow/tfjs';
import { isRerunning, offTape } from '../../src/kernels/tape.ts';
import { MAX_STREAMS } from '../../src/telemetry/sample.ts';
import type { OwnConnection } from './findConnections.ts';
import { endRun } from './passes.ts';
import { beginConnection, captureConnection, guard, type ProbeState } from './probeState.ts';

/**
 * Puts a method of one object in place of its own.
 * @param wrap makes the new method from the one that was there
 * @returns puts the old one back, unless someone has put another in place since: theirs is left alone
 */
function overrideMethod<K extends string, T extends { [key in K]: (...args: never[]) => unknown }>(
  target: T,
  name: K,
  wrap: (original: T[K]) => T[K],
): () => void {
  const described = Object.getOwnPropertyDescriptor(target, name);
  const replacement = wrap(target[name]);
  target[name] = replacement;
  return () => {
    if (target[name] !== replacement) return;
    if (described === undefined) Reflect.deleteProperty(target, name);
    else Object.defineProperty(target, name, described);
  };
}

/**
 * Looks at what the layer of a connection of the user's own gives; without a layer `observeOwn` is called instead.
 * @returns removes the hook
 */
export function hookOwn(probe: ProbeState, l: number, own: OwnConnection): () => void {
  const { layer } = own;
  if (layer === undefined) return () => {};
  return overrideMethod(layer, 'call', (original) => (inputs, kwargs) => {
    const result = original.call(layer, inputs, kwargs);
    observeOwn(probe, l, Array.isArray(result) ? result[0] : result, [inputs].flat(), [result].flat());
    return result;
  });
}

/**
 * Captures what the mapping of the user's own connection `l` reads from a tensor. A fault in it is handled, not thrown.
 * @param input what the connection read, and `output` what it gave: the tensor itself where nobody knows
 */
export function observeOwn(
  probe: ProbeState,
  l: number,
  tensor: tf.Tensor,
  input: readonly tf.Tensor[] = [tensor],
  output: readonly tf.Tensor[] = [tensor],
): void {
  if (probe.capture === null || isRerunning()) return;
  guard(probe, () => {
    const { info, own } = probe.options.connections[l];
    const { capture } = probe;
    if (capture === null) return;
    // What is handed in twice is the same run.
    const known = capture.pass.runs.findLast((one) => one.l === l);
    const isSame = own!.layer === undefined && known?.gave.includes(tensor.id);
    const run = isSame ? known : beginConnection(probe, l, input);
    if (!run) return;
    endRun(capture.pass, run, output, own!.layer === undefined);
    // The mapping may run operations: none of them belongs on the tape, and none of its tensors stays.
    offTape(() =>
      tf.tidy(() => {
        const mapping: unknown = own!.mapping(tensor);
        const [rows, n] = mapping instanceof tf.Tensor ? mapping.shape.slice(-2) : [];
        if (!(mapping instanceof tf.Tensor) || n === undefined || rows !== n || n < 1 || n > MAX_STREAMS) {
          const got = mapping instanceof tf.Tensor ? `[${mapping.shape}]` : String(mapping);
          throw new Error(`${info.name}: mapping must return H_res [..., n, n] with n from 1 to ${MAX_STREAMS}, got ${got}`);
        }
        captureConnection(probe, run, { mapping, logits: null, input: null, output: null }, n);
      }),
    );
  });
}

type Gradients = Parameters<tf.Optimizer['applyGradients']>[0];

/** Captures the gradients before each update, which stays the optimizer's own. @returns removes the hook */
export function hookOptimizer(probe: ProbeState, optimizer: tf.Optimizer): () => void {
  return overrideMethod(optimizer, 'applyGradients', (original) => (gradients) => {
    guard(probe, () => handleGradients(probe, optimizer, gradients));
    original.call(optimizer, gradients);
  });
}

/** The gradients that there are, by the name of the variable. */
function gradientsByName(gradients: Gradients): Map<string, tf.Tensor> {
  const list = Array.isArray(gradients) ? gradients.map((g) => [g.name, g.tensor] as const) : Object.entries(gradients);
  return new Map(list.filter(([, tensor]) => tensor != null));
}

/** Captures the gradients' norm, those of the logits' biases, and the learning rate of the update. */
function handleGradients({ capture, memory, options }: ProbeState, optimizer: tf.Optimizer, gradients: Gradients): void {
  if (capture === null) return;
  const { learningRate } = optimizer as unknown as { learningRate?: unknown };
  capture.learningRate = typeof learningRate === 'number' ? learningRate : null;
  const named = gradientsByName(gradients);
  capture.sampler.captureGradients([...named.values()]);
  const ofLogits = new Map<number, tf.Tensor>();
  // Of all runs of a connection together: it stands at the first.
  const told = new Set<number>();
  for (const { l, slot } of capture.pass.runs) {
    if (slot === null || told.has(l)) continue;
    told.add(l);
    const bias = options.connections[l].layer?.logitBias?.read() as tf.Variable | undefined;
    const gradient = bias && named.get(bias.name);
    if (gradient !== undefined) ofLogits.set(slot, gradient);
  }
  capture.sampler.captureLogitGradients(ofLogits);
  memory.gradients = new Map([...named].map(([name, g]) => [name, g.size * 4]));
}
