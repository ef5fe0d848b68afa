/** The observer on one of gainwatch's own connections: its tensors go to the sample, what the tape keeps of it to the memory. */
import * as tf from '@tensorflow/tfjs';
import type { ConnectionObserver } from '../../src/connections/observer.ts';
import { isRerunning, isTapeOn } from '../../src/kernels/tape.ts';
import type { ConnectionInfo } from '../../src/telemetry/sample.ts';
import { endRun, type Run } from './passes.ts';
import { beginConnection, captureConnection, guard, type ProbeState } from './probeState.ts';
import { countActivations, firstBytes, markTape } from './tapeMemory.ts';

/**
 * Under recompute of whole blocks a connection runs twice. The first time is looked at; the tape, and with it the gradient, is there
 * the second time only.
 * @param l the connection's number
 */
export function createObserver(probe: ProbeState, l: number, info: ConnectionInfo): ConnectionObserver {
  let input: tf.Tensor | null = null;
  /** The run that goes on, or that is run again; null: none that is looked at. */
  let run: Run | null = null;
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
      run = null;
      if (probe.capture === null) return x;
      guard(probe, () => {
        if (isRerunning()) {
          run = probe.capture!.reruns[l].pop() ?? null;
          return;
        }
        run = beginConnection(probe, l, [x]);
        marks.begin = markTape();
        input = x;
      });
      return run === null ? x : tap(probe, run, 0, info, x);
    },
    branch: (act) => {
      if (run === null || isRerunning()) return act();
      mark('branchBegin');
      const result = act();
      mark('branchEnd');
      return result;
    },
    leave: (output, mapping, logits) => {
      if (probe.capture === null || run === null) return output;
      const ran = run;
      run = null;
      if (isRerunning()) return tap(probe, ran, 1, info, output);
      guard(probe, () => {
        const n = mapping === null ? 1 : (mapping.shape.at(-1) as number);
        captureConnection(probe, ran, { mapping, logits, input, output }, n);
        endRun(probe.capture!.pass, ran, [output]);
        if (ran.slot === null) return;
        if (countActivations(probe.memory, ran.slot, { ...marks, end: markTape() }, input!.shape.join(), kept)) kept = 0;
      });
      input = null;
      const result = tap(probe, ran, 1, info, output);
      if (result !== output) guard(probe, () => probe.capture !== null && endRun(probe.capture.pass, ran, [result]));
      return result;
    },
  };
}

/** An identity of the streams that sees the gradient on its way back, where that is asked for. */
function tap(probe: ProbeState, run: Run, side: 0 | 1, { kind }: ConnectionInfo, streams: tf.Tensor): tf.Tensor {
  if (!probe.options.gradientGain || !isTapeOn()) return streams;
  return tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => ({
    value: tf.clone(args[0] as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => {
      // A residual connection has one stream, `[..., C]`.
      const row = dy.shape.at(-1)! * (kind === 'residual' ? 1 : dy.shape.at(-2)!);
      guard(probe, () => {
        if (run.slot !== null) probe.capture?.sampler.captureStreamGradient(run.slot, side, dy, row);
      });
      return tf.clone(dy);
    },
  }))(streams);
}
