/**
 * The probe in the training thread: puts its hooks on, and begins and ends each step. Whatever goes wrong here is counted
 * and said; the training never sees it. Knows nothing of threads: a finished sample is handed to `deliver`.
 */
import * as tf from '@tensorflow/tfjs';
import { unobserved } from '../../src/connections/observer.ts';
import type { StepSample } from '../../src/telemetry/sample.ts';
import { createObserver, hookOwn, seeGradients } from './hooks.ts';
import { sampleMemory, variableBuffers } from './memory.ts';
import { hookOptimizer } from './optimizer.ts';
import { createGathering, disposeGathering, gatherLoss, unread } from './sampling.ts';
import { settle } from './settle.ts';
import { fault, guard, type Probe, type ProbeOptions } from './state.ts';

/** Longest row of reads on the way at the same time. */
const READS_AT_MOST = 2;

/** Every how many steps one is watched, unless told: reads block on tensorflow. */
export const defaultEvery = (): number => (tf.getBackend() === 'tensorflow' ? 10 : 1);

export function createProbe(options: ProbeOptions): Probe {
  const layers = options.connections.length;
  const probe: Probe = {
    options,
    counters: { overheadSeconds: 0, samplesDropped: 0, errors: 0 },
    step: options.firstStep - 1,
    gathering: null,
    reads: new Set(),
    began: 0,
    memory: {
      counting: false,
      stale: true,
      shapes: new Array<string>(layers).fill(''),
      known: new Set(),
      weights: new Set(),
      activations: new Array<number>(layers).fill(Number.NaN),
      branchActivations: new Array<number>(layers).fill(Number.NaN),
      gradients: null,
      slots: new Map(),
    },
    detach: () => {},
  };
  const undo = options.connections.map((connection, l) => {
    if (connection.layer !== null) {
      const { layer } = connection;
      const observer = createObserver(probe, l, connection);
      layer.observer = observer;
      return () => {
        if (layer.observer === observer) layer.observer = unobserved;
      };
    }
    return hookOwn(probe, l, connection.own!);
  });
  const unhook =
    options.optimizer === null ? null : hookOptimizer(options.optimizer, (gradients) => guard(probe, () => seeGradients(probe, gradients)));
  probe.detach = () => {
    for (const act of undo) act();
    unhook?.();
    if (probe.gathering !== null) disposeGathering(probe.gathering);
    probe.gathering = null;
  };
  return probe;
}

/** Counts the step; looks at it if it is its turn. */
export function beginStep(probe: Probe): void {
  probe.step++;
  const every = probe.options.every ?? defaultEvery();
  guard(probe, () => {
    if (probe.gathering !== null) disposeGathering(probe.gathering);
    probe.gathering = null;
    if ((probe.step - probe.options.firstStep) % every !== 0) return;
    if (probe.reads.size >= READS_AT_MOST) {
      probe.counters.samplesDropped++;
      return;
    }
    probe.gathering = createGathering(probe.step, probe.options.connections.length, probe.options.tokens);
    const { memory } = probe;
    memory.counting = memory.stale;
    memory.stale = false;
    if (memory.counting) {
      memory.known = new Set();
      memory.weights = variableBuffers();
    }
    probe.began = performance.now();
  });
}

/** The step failed or was given up: no sample comes of it. */
export function abandonStep(probe: Probe): void {
  guard(probe, () => {
    if (probe.gathering !== null) disposeGathering(probe.gathering);
    probe.gathering = null;
  });
}

/**
 * Reads what was gathered, once, and delivers it: at once on cpu, wasm and tensorflow, later and not awaited on webgpu.
 * @param loss what the step said its loss is; a scalar tensor is looked at, not disposed
 */
export function endStep(probe: Probe, loss: tf.Tensor | number | null): void {
  if (probe.gathering === null) return;
  guard(probe, () => {
    const { gathering, options } = probe;
    if (gathering === null) return;
    const stepSeconds = (performance.now() - probe.began) / 1000;
    const missing = gathering.seen.indexOf(false);
    if (missing >= 0) throw new Error(`connection ${options.connections[missing].info.name} did not run in it`);
    if (loss !== null) gatherLoss(gathering, loss);
    const rest = {
      step: gathering.step,
      time: options.now(),
      stepSeconds,
      learningRate: gathering.learningRate,
      memory: sampleMemory(probe),
    };
    const finish = (values: Float32Array | null) => {
      const sample: StepSample = { ...rest, ...settle(gathering, values), monitor: { ...probe.counters } };
      disposeGathering(gathering);
      options.deliver(sample, gathering.n!);
    };
    const tensor = unread(gathering);
    if (tensor === null) finish(null);
    else if (tf.getBackend() !== 'webgpu') {
      const values = tensor.dataSync<'float32'>();
      tensor.dispose();
      finish(values);
    } else {
      const read: Promise<void> = tensor
        .data<'float32'>()
        .then((values) => guard(probe, () => finish(values)))
        .catch((error) => {
          fault(probe, error);
          disposeGathering(gathering);
        })
        .finally(() => {
          tensor.dispose();
          probe.reads.delete(read);
        });
      probe.reads.add(read);
    }
    probe.gathering = null;
  });
}
