/**
 * The hooks in the training thread: an observer on each connection, a look at the gradients before the update, and a
 * begin and end of each step. Whatever goes wrong here is counted and said; the training never sees it. Knows nothing of
 * threads: a finished sample is handed to `deliver`.
 */
import * as tf from '@tensorflow/tfjs';
import type { ConnectionObserver } from '../../src/connections/observer.ts';
import { unobserved } from '../../src/connections/observer.ts';
import { squaredNorm } from '../../src/kernels/squaredNorm.ts';
import { MEMORY_KINDS, type MemorySample, type MonitorCounters, type StepSample } from '../../src/telemetry/sample.ts';
import type { OwnConnection, WatchedConnection } from './connections.ts';
import { allocatedBytes, markTape, savedBytes, type TapeMark, variableBuffers } from './memory.ts';
import { hookOptimizer, learningRateOf, slotBytes } from './optimizer.ts';
import { createGathering, disposeGathering, type Gathering, gather, gatherGradient, laterOf, offTape, settle, unread } from './sampling.ts';

export interface ProbeOptions {
  connections: WatchedConnection[];
  /** All weights of the model, for the totals; none for a list of connections. */
  weights: readonly { read(): tf.Tensor }[];
  optimizer: tf.Optimizer | null;
  /** S. */
  tokens: number;
  /** Watch every k-th step; null: each, and every tenth on the tensorflow backend, whose reads block. */
  every: number | null;
  gradientGain: boolean;
  now: () => number;
  /** @param n streams of the run, known from the first step on */
  deliver: (sample: StepSample, n: number) => void;
  /** Told of a fault, every time: the step's sample is given up. */
  onFault: (reason: string) => void;
}

export interface Probe {
  readonly options: ProbeOptions;
  readonly counters: MonitorCounters;
  /** Steps begun. */
  step: number;
  /** The watched step that goes on. */
  gathering: Gathering | null;
  /** Reads that are not back yet (webgpu). */
  readonly reads: Set<Promise<void>>;
  /** Clock at the begin of the step, ms; and the overhead before it, s. */
  began: number;
  readonly memory: ProbeMemory;
  detach: () => void;
}

interface ProbeMemory {
  /** Is what the tape keeps counted in this step? It changes with the shapes only: in the first step, and after a change. */
  counting: boolean;
  stale: boolean;
  /** Shape of the input of each connection when it was counted. */
  readonly shapes: string[];
  /** Buffers counted in this step. */
  known: Set<object>;
  weights: Set<object>;
  /** Bytes of [activations, branch_activations] per connection. */
  readonly activations: number[];
  readonly branchActivations: number[];
  /** Bytes of the gradient of each variable, by its name; null until an update was seen. */
  gradients: Map<string, number> | null;
  slots: Map<string, number>;
}

/** Longest row of reads on the way at the same time. */
const READS_AT_MOST = 2;

/** Everything of ours that runs within the training goes through here. */
function guard(probe: Probe, act: () => void): void {
  const start = performance.now();
  try {
    act();
  } catch (error) {
    fault(probe, error);
  }
  probe.counters.overheadSeconds += (performance.now() - start) / 1000;
}

/** Counts, says, and gives up the step's sample. */
function fault(probe: Probe, error: unknown): void {
  probe.counters.errors++;
  if (probe.gathering !== null) {
    disposeGathering(probe.gathering);
    probe.gathering = null;
  }
  probe.options.onFault(error instanceof Error ? error.message : String(error));
}

export function createProbe(options: ProbeOptions): Probe {
  const layers = options.connections.length;
  const probe: Probe = {
    options,
    counters: { overheadSeconds: 0, samplesDropped: 0, errors: 0 },
    step: 0,
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
  const hook =
    options.optimizer === null ? null : hookOptimizer(options.optimizer, (gradients) => guard(probe, () => seeGradients(probe, gradients)));
  probe.detach = () => {
    for (const act of undo) act();
    hook?.detach();
    if (probe.gathering !== null) disposeGathering(probe.gathering);
    probe.gathering = null;
  };
  return probe;
}

function createObserver(probe: Probe, l: number, { info }: WatchedConnection): ConnectionObserver {
  const { gradientGain } = probe.options;
  let input: tf.Tensor | null = null;
  let begin: TapeMark = { length: -1 };
  let branchBegin = begin;
  let branchEnd = begin;
  /** A residual connection has one stream, `[..., C]`. */
  const rowOf = (x: tf.Tensor) => (info.kind === 'residual' ? x.shape.at(-1)! : x.shape.at(-1)! * x.shape.at(-2)!);
  /** An identity that sees the gradient on its way back. */
  const tap = (x: tf.Tensor, side: 0 | 1): tf.Tensor => {
    if (!gradientGain || tf.engine().state.gradientDepth === 0) return x;
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
  return {
    enter: (x) => {
      if (probe.gathering === null) return x;
      guard(probe, () => {
        begin = markTape();
        input = x;
      });
      return tap(x, 0);
    },
    branch: (run) => {
      if (probe.gathering === null) return run();
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
          memory.activations[l] = before + count(branchEnd, end);
        } else if (shape !== memory.shapes[l]) memory.stale = true;
      });
      input = null;
      return tap(output, 1);
    },
  };
}

/** A connection of the user's own: its layer's output is looked at, or what `observeOwn` gets. */
function hookOwn(probe: Probe, l: number, own: OwnConnection): () => void {
  const { layer } = own;
  if (layer === undefined) return () => {};
  const original = layer.call;
  const described = Object.getOwnPropertyDescriptor(layer, 'call');
  const hooked: typeof layer.call = (inputs, kwargs) => {
    const result = original.call(layer, inputs, kwargs);
    observeOwn(probe, l, Array.isArray(result) ? result[0] : result);
    return result;
  };
  layer.call = hooked;
  return () => {
    if (layer.call !== hooked) return;
    if (described === undefined) Reflect.deleteProperty(layer, 'call');
    else Object.defineProperty(layer, 'call', described);
  };
}

export function observeOwn(probe: Probe, l: number, tensor: tf.Tensor): void {
  if (probe.gathering === null) return;
  guard(probe, () => {
    const { info, own } = probe.options.connections[l];
    const { gathering } = probe;
    if (gathering === null) return;
    // The mapping may run operations: none of them belongs on the tape, and none of its tensors stays.
    offTape(() =>
      tf.tidy(() => {
        const mapping = own!.mapping(tensor);
        const n = mapping?.shape?.at(-1);
        if (!(mapping instanceof tf.Tensor) || n === undefined || mapping.rank < 2 || mapping.shape.at(-2) !== n || n < 1 || n > 8) {
          const got = mapping instanceof tf.Tensor ? `[${mapping.shape}]` : String(mapping);
          throw new Error(`${info.name}: mapping must return H_res [..., n, n] with n from 1 to 8, got ${got}`);
        }
        gather(gathering, l, { mapping, logits: null, input: null, output: null }, n);
      }),
    );
  });
}

function seeGradients(probe: Probe, gradients: ReadonlyMap<string, tf.Tensor>): void {
  const { gathering, memory, options } = probe;
  if (gathering === null || options.optimizer === null) return;
  gathering.learningRate = learningRateOf(options.optimizer);
  if (gathering.gradientSquares instanceof tf.Tensor) gathering.gradientSquares.dispose();
  const norm = offTape(() => squaredNorm([...gradients.values()]));
  gathering.gradientSquares = laterOf(norm);
  norm.dispose();
  memory.gradients = new Map([...gradients].map(([name, g]) => [name, g.size * 4]));
}

/** Counts the step; looks at it if it is its turn. */
export function beginStep(probe: Probe): void {
  probe.step++;
  const every = probe.options.every ?? (tf.getBackend() === 'tensorflow' ? 10 : 1);
  guard(probe, () => {
    if (probe.gathering !== null) disposeGathering(probe.gathering);
    probe.gathering = null;
    if ((probe.step - 1) % every !== 0) return;
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
    if (loss !== null) gathering.loss = loss instanceof tf.Tensor ? laterOf(loss) : loss;
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

function sampleMemory(probe: Probe): MemorySample {
  const { connections, optimizer, weights } = probe.options;
  const { memory } = probe;
  const layers = connections.length;
  if (optimizer !== null && memory.slots.size === 0) memory.slots = slotBytes(optimizer);
  const values = new Float64Array(MEMORY_KINDS.length * layers).fill(Number.NaN);
  const set = (kind: (typeof MEMORY_KINDS)[number], l: number, bytes: number) => {
    values[MEMORY_KINDS.indexOf(kind) * layers + l] = bytes;
  };
  connections.forEach(({ layer }, l) => {
    if (layer === null) return;
    const own = layer.connectionWeights.map((weight) => weight.read());
    const sum = (of: (variable: tf.Variable) => number) => own.reduce((total, tensor) => total + of(tensor as tf.Variable), 0);
    set(
      'parameters',
      l,
      sum((v) => v.size * 4),
    );
    set('activations', l, memory.activations[l]);
    set('branch_activations', l, memory.branchActivations[l]);
    if (optimizer === null || memory.gradients === null) return;
    const { gradients, slots } = memory;
    set(
      'gradients',
      l,
      sum((v) => gradients.get(v.name) ?? 0),
    );
    set(
      'optimizer',
      l,
      sum((v) => slots.get(v.name) ?? 0),
    );
  });
  const total = (values: Iterable<number>) => [...values].reduce((sum, v) => sum + v, 0);
  const totals: Record<string, number> = { allocated: allocatedBytes() };
  if (weights.length > 0) totals['parameters'] = total(weights.map((w) => w.read().size * 4));
  const known = (bytes: number[]) => bytes.filter((b) => !Number.isNaN(b));
  if (known(memory.activations).length > 0) {
    totals['activations'] = total(known(memory.activations));
    totals['branch_activations'] = total(known(memory.branchActivations));
  }
  if (memory.gradients !== null) {
    totals['gradients'] = total(memory.gradients.values());
    totals['optimizer'] = total(memory.slots.values());
  }
  return { connections: values, totals };
}
