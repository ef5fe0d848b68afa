/** The hooks themselves: an observer on each connection, a look into the user's own layers, a look at the gradients. */
import * as tf from '@tensorflow/tfjs';
import type { ConnectionObserver } from '../../src/connections/observer.ts';
import { MAX_STREAMS } from '../../src/connections/shapes.ts';
import { isRerunning, isTapeOn, offTape } from '../../src/kernels/tape.ts';
import type { OwnConnection, WatchedConnection } from './connections.ts';
import { firstBytes, markTape, savedBytes, type TapeMark } from './memory.ts';
import { type Gradients, gradientsByName, learningRateOf } from './optimizer.ts';
import { overrideMethod } from './override.ts';
import { gather, gatherGradient, gatherGradientSquares, gatherLogitGradients } from './sampling.ts';
import { guard, type Probe } from './state.ts';

export function createObserver(probe: Probe, l: number, { info }: WatchedConnection): ConnectionObserver {
  const { gradientGain } = probe.options;
  let input: tf.Tensor | null = null;
  let begin: TapeMark = { length: -1 };
  let branchBegin = begin;
  let branchEnd = begin;
  /** Bytes of the streams that a block's rerun begins with. */
  let kept = 0;
  /** A residual connection has one stream, `[..., C]`. */
  const rowOf = (x: tf.Tensor) => (info.kind === 'residual' ? x.shape.at(-1)! : x.shape.at(-1)! * x.shape.at(-2)!);
  /** An identity that sees the gradient on its way back. */
  const tap = (x: tf.Tensor, side: 0 | 1): tf.Tensor => {
    if (!gradientGain || !isTapeOn()) return x;
    return tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => ({
      value: tf.clone(args[0] as tf.Tensor),
      gradFunc: (dy: tf.Tensor) => {
        guard(probe, () => {
          if (probe.gathering !== null) gatherGradient(probe.gathering, l, side, dy, rowOf(dy));
        });
        return tf.clone(dy);
      },
    }))(x);
  };
  // Under recompute of whole blocks all this happens twice. The first time is looked at; the tape, and with it the
  // gradient, is there the second time only.
  return {
    kept: (x) => {
      guard(probe, () => {
        const { counting, known, weights } = probe.memory;
        if (counting && !isRerunning()) kept = firstBytes(x, known, weights);
      });
    },
    enter: (x) => {
      if (probe.gathering === null) return x;
      if (isRerunning()) return tap(x, 0);
      guard(probe, () => {
        begin = markTape();
        input = x;
      });
      return tap(x, 0);
    },
    branch: (run) => {
      if (probe.gathering === null || isRerunning()) return run();
      guard(probe, () => {
        branchBegin = markTape();
      });
      const result = run();
      guard(probe, () => {
        branchEnd = markTape();
      });
      return result;
    },
    leave: (output, mapping, logits) => {
      if (probe.gathering !== null && isRerunning()) return tap(output, 1);
      if (probe.gathering === null || input === null) return output;
      guard(probe, () => {
        const { gathering, memory } = probe;
        if (gathering === null) return;
        const n = mapping === null ? 1 : (mapping.shape.at(-1) as number);
        gather(gathering, l, { mapping, logits, input, output }, n);
        const end = markTape();
        const shape = input!.shape.join();
        if (memory.counting && begin.length >= 0 && end.length >= 0) {
          memory.shapes[l] = shape;
          const count = (from: TapeMark, to: TapeMark) => savedBytes(from, to, memory.known, memory.weights);
          const before = count(begin, branchBegin);
          memory.branchActivations[l] = count(branchBegin, branchEnd);
          memory.activations[l] = kept + before + count(branchEnd, end);
          kept = 0;
        } else if (shape !== memory.shapes[l]) memory.stale = true;
      });
      input = null;
      return tap(output, 1);
    },
  };
}

/** A connection of the user's own: its layer's output is looked at, or what `observeOwn` gets. */
export function hookOwn(probe: Probe, l: number, own: OwnConnection): () => void {
  const { layer } = own;
  if (layer === undefined) return () => {};
  return overrideMethod(layer, 'call', (original) => (inputs, kwargs) => {
    const result = original.call(layer, inputs, kwargs);
    observeOwn(probe, l, Array.isArray(result) ? result[0] : result);
    return result;
  });
}

export function observeOwn(probe: Probe, l: number, tensor: tf.Tensor): void {
  if (probe.gathering === null || isRerunning()) return;
  guard(probe, () => {
    const { info, own } = probe.options.connections[l];
    const { gathering } = probe;
    if (gathering === null) return;
    // The mapping may run operations: none of them belongs on the tape, and none of its tensors stays.
    offTape(() =>
      tf.tidy(() => {
        const mapping = own!.mapping(tensor);
        const n = mapping?.shape?.at(-1);
        if (
          !(mapping instanceof tf.Tensor) ||
          n === undefined ||
          mapping.rank < 2 ||
          mapping.shape.at(-2) !== n ||
          n < 1 ||
          n > MAX_STREAMS
        ) {
          const got = mapping instanceof tf.Tensor ? `[${mapping.shape}]` : String(mapping);
          throw new Error(`${info.name}: mapping must return H_res [..., n, n] with n from 1 to ${MAX_STREAMS}, got ${got}`);
        }
        gather(gathering, l, { mapping, logits: null, input: null, output: null }, n);
      }),
    );
  });
}

export function seeGradients(probe: Probe, gradients: Gradients): void {
  const { gathering, memory, options } = probe;
  if (gathering === null || options.optimizer === null) return;
  gathering.learningRate = learningRateOf(options.optimizer);
  const named = gradientsByName(gradients);
  gatherGradientSquares(gathering, [...named.values()]);
  const ofLogits = new Map<number, tf.Tensor>();
  options.connections.forEach(({ layer }, l) => {
    const bias = layer?.logitBias?.read() as tf.Variable | undefined;
    const gradient = bias && named.get(bias.name);
    if (gradient !== undefined) ofLogits.set(l, gradient);
  });
  gatherLogitGradients(gathering, ofLogits);
  memory.gradients = new Map([...named].map(([name, g]) => [name, g.size * 4]));
}
