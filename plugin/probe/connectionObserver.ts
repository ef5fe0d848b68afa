/** The observer on one of gainwatch's own connections: its tensors go to the sample, what the tape keeps of it to the memory. */
import * as tf from '@tensorflow/tfjs';
import type { ConnectionObserver } from '../../src/connections/observer.ts';
import { isRerunning, isTapeOn } from '../../src/kernels/tape.ts';
import type { ConnectionInfo } from '../../src/telemetry/sample.ts';
import { captureConnection, guard, type ProbeState } from './probeState.ts';
import { countActivations, firstBytes, markTape } from './tapeMemory.ts';

/**
 * Under recompute of whole blocks a connection runs twice. The first time is looked at; the tape, and with it the gradient, is there
 * the second time only.
 * @param l the connection's number
 */
export function createObserver(probe: ProbeState, l: number, info: ConnectionInfo): ConnectionObserver {
  let input: tf.Tensor | null = null;
  const marks = { begin: -1, branchBegin: -1, branchEnd: -1 };
  const mark = (what: keyof typeof marks) =>
    guard(probe, () => {
      marks[what] = markTape();
    });
  /** Bytes of the streams that a block's rerun begins with. */
  let kept = 0;
  return {
    kept: (x) => {
      guard(probe, () => {
        const { counting, known, weights } = probe.memory;
        if (counting && !isRerunning()) kept = firstBytes(x, known, weights);
      });
    },
    enter: (x) => {
      if (probe.capture === null) return x;
      if (!isRerunning()) {
        mark('begin');
        input = x;
      }
      return tap(probe, l, 0, info, x);
    },
    branch: (run) => {
      if (probe.capture === null || isRerunning()) return run();
      mark('branchBegin');
      const result = run();
      mark('branchEnd');
      return result;
    },
    leave: (output, mapping, logits) => {
      if (probe.capture === null || (input === null && !isRerunning())) return output;
      if (!isRerunning()) {
        guard(probe, () => {
          const n = mapping === null ? 1 : (mapping.shape.at(-1) as number);
          captureConnection(probe.capture!, l, { mapping, logits, input, output }, n);
          if (countActivations(probe.memory, l, { ...marks, end: markTape() }, input!.shape.join(), kept)) kept = 0;
        });
        input = null;
      }
      return tap(probe, l, 1, info, output);
    },
  };
}

/** An identity of the streams that sees the gradient on its way back, where that is asked for. */
function tap(probe: ProbeState, l: number, side: 0 | 1, { kind }: ConnectionInfo, streams: tf.Tensor): tf.Tensor {
  if (!probe.options.gradientGain || !isTapeOn()) return streams;
  return tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => ({
    value: tf.clone(args[0] as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => {
      // A residual connection has one stream, `[..., C]`.
      const row = dy.shape.at(-1)! * (kind === 'residual' ? 1 : dy.shape.at(-2)!);
      guard(probe, () => probe.capture?.sampler.captureStreamGradient(l, side, dy, row));
      return tf.clone(dy);
    },
  }))(streams);
}
