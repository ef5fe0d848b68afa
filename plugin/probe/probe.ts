/**
 * The probe in the training thread: puts its hooks on, and begins and ends each step. Whatever goes wrong here is counted
 * and reported; the training never sees it. Knows nothing of threads: a finished sample is handed to `deliver`.
 */
import * as tf from '@tensorflow/tfjs';
import { unobserved } from '../../src/connections/observer.ts';
import { createObserver } from './connectionObserver.ts';
import { hookOptimizer, hookOwn } from './hooks.ts';
import { createListing } from './places.ts';
import { type Capture, createCapture, dropCapture, guard, handleFault, type ProbeOptions, type ProbeState } from './probeState.ts';
import { sampleMemory, variableBuffers } from './tapeMemory.ts';

/** Reads on the way at the same time. Our choice: one is read while the next is written; more would only hide that the device is late. */
const MAX_READS = 2;
/** Our choice: a read on tensorflow waits for the device, so not every step has one. */
const TENSORFLOW_EVERY_STEPS = 10;

/** After so many steps that were looked at, it is said what has not run. Our choice. */
const MAX_UNSEEN_STEPS = 10;

/** Every how many steps one is watched on the current backend, unless `every` is given. */
export const defaultEvery = (): number => (tf.getBackend() === 'tensorflow' ? TENSORFLOW_EVERY_STEPS : 1);

/** A probe without its hooks, which `attachProbe` puts on. */
export function createProbe(options: ProbeOptions): ProbeState {
  const infos = options.connections.map(({ info }) => info);
  return {
    options,
    counters: { overheadSeconds: 0, samplesDropped: 0, errors: 0 },
    step: options.firstStep - 1,
    listing: createListing(infos),
    streams: null,
    ran: infos.map(() => false),
    seenSteps: 0,
    idleSteps: 0,
    capture: null,
    reads: new Set(),
    began: 0,
    memory: {
      counting: false,
      stale: true,
      shapes: [],
      known: new Set(),
      weights: new Set(),
      activations: [],
      branchActivations: [],
      gradients: null,
      slots: new Map(),
    },
    unhook: [],
  };
}

/** Puts the hooks on the connections and the optimizer. */
export function attachProbe(probe: ProbeState): void {
  const { connections, optimizer } = probe.options;
  connections.forEach(({ layer, own, info }, l) => {
    if (own !== null) probe.unhook.push(hookOwn(probe, l, own));
    if (layer === null) return;
    const observer = createObserver(probe, l, info);
    layer.observer = observer;
    probe.unhook.push(() => {
      if (layer.observer === observer) layer.observer = unobserved;
    });
  });
  if (optimizer !== null) probe.unhook.push(hookOptimizer(probe, optimizer));
}

/** Takes all hooks off. Reads that are on their way still come back. */
export function detachProbe(probe: ProbeState): void {
  for (const act of probe.unhook.splice(0)) act();
  dropCapture(probe);
}

/** Counts the step; looks at it if it is its turn. */
export function beginStep(probe: ProbeState): void {
  probe.step++;
  const { every, firstStep } = probe.options;
  guard(probe, () => {
    dropCapture(probe);
    if ((probe.step - firstStep) % (every ?? defaultEvery()) !== 0) return;
    if (probe.reads.size >= MAX_READS) {
      probe.counters.samplesDropped++;
      return;
    }
    probe.capture = createCapture(probe);
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
export function abandonStep(probe: ProbeState): void {
  guard(probe, () => dropCapture(probe));
}

/**
 * Reads what was captured, once, and delivers it: at once on cpu, wasm and tensorflow, later and not awaited on webgpu.
 * @param loss what the step returned as its loss; a scalar tensor is looked at, not disposed
 */
export function endStep(probe: ProbeState, loss: tf.Tensor | number | null): void {
  if (probe.capture === null) return;
  guard(probe, () => {
    const { capture, options } = probe;
    if (capture === null) return;
    const stepSeconds = (performance.now() - probe.began) / 1000;
    const { listing } = probe;
    const ran = new Set(capture.pass.runs.map(({ slot }) => slot));
    const order = listing.order.map((slot) => (ran.has(slot) ? slot : null));
    const n = streamsOf(probe, capture);
    if (loss instanceof tf.Tensor) capture.sampler.captureLoss(loss);
    const { step, learningRate, sampler } = capture;
    const { infos } = listing;
    const rest = { step, time: options.now(), stepSeconds, learningRate, memory: sampleMemory(probe, order) };
    const finish = (values: Float32Array | null) => {
      const sample = { ...rest, ...sampler.finish(values, order, n), monitor: { ...probe.counters } };
      if (typeof loss === 'number') sample.loss = loss;
      sampler.dispose();
      options.deliver(sample, n, infos);
    };
    const values = sampler.read();
    if (values instanceof Promise) trackRead(probe, capture, values, finish);
    else finish(values);
    probe.capture = null;
    noteUnseen(probe, capture);
  });
}

/** n of the run. @throws Error where none of its connections has run so far, so that nothing is known of it */
function streamsOf(probe: ProbeState, { n }: Capture): number {
  if (probe.options.connections.length === 0) return 1;
  probe.streams = n ?? probe.streams;
  if (probe.streams === null) throw new Error('none of the watched connections ran in it: is it another model that is trained?');
  return probe.streams;
}

/** Says what has not run: single connections in the first steps, all of them in as many in a row. Each stands for the identity. */
function noteUnseen(probe: ProbeState, { pass }: Capture): void {
  const { connections, onNotice } = probe.options;
  if (connections.length === 0) return;
  probe.seenSteps++;
  probe.idleSteps = pass.runs.length === 0 ? probe.idleSteps + 1 : 0;
  const unseen = connections.filter((_, l) => !probe.ran[l]).map(({ info }) => info.name);
  const taken = 'taken for the identity';
  if (probe.seenSteps === MAX_UNSEEN_STEPS && unseen.length > 0)
    onNotice(`not run in the first ${MAX_UNSEEN_STEPS} steps, so ${taken}: ${unseen.join(', ')}`);
  if (probe.idleSteps === MAX_UNSEEN_STEPS)
    onNotice(`no connection ran in ${MAX_UNSEEN_STEPS} steps in a row, so all are ${taken}: is it another model that is trained?`);
}

/** Finishes a step when its read has come back. */
function trackRead(probe: ProbeState, { sampler }: Capture, values: Promise<Float32Array>, finish: (values: Float32Array) => void): void {
  const read = values
    .then((got) => guard(probe, () => finish(got)))
    .catch((error) => handleFault(probe, error))
    .finally(() => {
      sampler.dispose();
      probe.reads.delete(read);
    });
  probe.reads.add(read);
}
