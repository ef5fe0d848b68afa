/**
 * watch(): attaches the probe to a model or a list of connections, and the worker behind it. The public face of the
 * plugin; what is looked at is in probe/, what becomes of it in worker/.
 */
import * as tf from '@tensorflow/tfjs';
import type { Outcome } from '../src/telemetry/report.ts';
import type { MonitorCounters, StepSample } from '../src/telemetry/sample.ts';
import type { Warning, WarningRecord } from '../src/telemetry/warning.ts';
import { findConnections, type Watchable } from './probe/findConnections.ts';
import { observeOwn } from './probe/hooks.ts';
import { abandonStep, beginStep, createProbe, endStep } from './probe/probe.ts';
import { checkRunName } from './recorder/directory.ts';
import { watchSignals } from './signals.ts';
import { serverOptions, type WatchOptions, wholeNumber } from './watchOptions.ts';
import { poll, post, postSample, register, release, workerFor } from './worker/client.ts';

export type { OwnConnection, Watchable } from './probe/findConnections.ts';
export type { WatchOptions } from './watchOptions.ts';

export interface CloseOptions {
  /** How long the last values stay to be scraped, seconds; 0 unless given. */
  lingerSeconds?: number;
  /** `completed` unless given, or `failed` where the last step threw. */
  outcome?: Outcome;
}

export interface Monitor {
  readonly run: string;
  /** Address of the dashboard; /metrics lies beside it. */
  readonly url: string;
  /** What gainwatch cost and lost so far, as in the metrics mhc_monitor_…. */
  readonly counters: Readonly<MonitorCounters>;
  /** G of the newest step that came back from the monitor's thread (some 100 ms late); null before the first. */
  readonly compositeGain: number | null;
  /** Warnings raised since watch(), oldest first, as far as they came back from the monitor's thread. */
  warnings(): readonly WarningRecord[];
  /** For `callbacks` of model.fit and fitDataset. Each batch is a step. */
  callback(): tf.Callback;
  /**
   * Runs one training step and looks at it. Returns what the function returns and throws what it throws; an async
   * function is awaited by its promise. A scalar tensor or number that comes back is taken for the loss.
   */
  step<T>(run: () => T): T;
  /** Hands over what the mapping of a connection of one's own (without a layer) reads. @throws on a name that is not watched */
  observe(name: string, tensor: tf.Tensor): void;
  /** Takes all hooks off, waits for what is on its way, ends the run. May be called again. Never throws. */
  close(options?: CloseOptions): Promise<void>;
}

/** Different faults that are said; more would be noise. */
const FAULTS_SAID = 10;

/**
 * @param target a model whose layers are connections of gainwatch, or a list of connections from input to output
 * @throws on an option that does not fit, naming it; where no connection is found; where the given port is taken
 */
export async function watch(target: tf.LayersModel | readonly Watchable[], options: WatchOptions = {}): Promise<Monitor> {
  const connections = findConnections(target);
  const run = options.run ?? `run-${new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15)}`;
  checkRunName(run);
  const tokens = wholeNumber('tokens', options.tokens ?? 64, 1, 4096);
  const firstStep = wholeNumber('firstStep', options.firstStep ?? 1, 1, 1e12);
  const every = options.every === undefined ? null : wholeNumber('every', options.every, 1, 1e9);
  const server = serverOptions(options);
  const write = options.log ?? ((line: string) => process.stderr.write(`gainwatch: ${line}\n`));
  const log = (line: string) => {
    try {
      write(line);
    } catch {
      // A logger that fails is nothing the training should die of.
    }
  };
  const model = target instanceof tf.LayersModel ? target : null;
  const optimizer = options.optimizer ?? model?.optimizer ?? null;

  const client = await workerFor(server);
  let compositeGain: number | null = null;
  /** n, once the run is open. */
  let opened: number | null = null;
  let signalClosed: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    signalClosed = resolve;
  });
  /** By their id. */
  const warnings = new Map<number, WarningRecord>();
  /** Raised and not yet told to the user. */
  const raised: Warning[] = [];
  let inStep = false;
  const said = new Set<string>();
  const sayOnce = (key: string, line: string) => {
    if (said.has(key) || said.size >= FAULTS_SAID) return;
    said.add(key);
    log(line);
  };
  const id = register(client, run, (message) => {
    if (message.type === 'reported') compositeGain = message.compositeGain;
    else if (message.type === 'warning') {
      const { what, record } = message;
      if (what === 'raised') raised.push(record.warning);
      else if (!warnings.has(record.id)) return; // of an earlier process: raised before watch()
      warnings.set(record.id, record);
      if (!inStep) tellWarnings();
    } else if (message.type === 'closed') signalClosed();
    else if (message.type === 'problem') {
      if (!client.alive) {
        probe.counters.errors++;
        signalClosed();
      }
      log(message.message);
    }
  });
  log(`run ${run}: dashboard ${client.url}, metrics ${client.url}metrics`);
  if (client.note !== null) log(client.note);
  if (optimizer === null) log(`run ${run}: no optimizer given: learning rate, gradient norm, gradient and optimizer bytes are not known`);

  const deliver = (sample: StepSample, streams: number) => {
    if (opened === null) {
      opened = streams;
      post(client, { type: 'open', id, header: { run, streams, tokens, connections: connections.map((c) => c.info) } });
    } else if (opened !== streams) {
      throw new Error(`the run began with ${opened} streams and has ${streams} now`);
    }
    if (postSample(client, { type: 'step', id, sample })) return;
    probe.counters.samplesDropped++;
    if (client.alive && !said.has('queue')) probe.counters.errors++;
    sayOnce('queue', `run ${run}: the monitor's thread does not keep up (or has died): samples are dropped and counted`);
  };
  const probe = createProbe({
    connections,
    weights: model?.weights ?? [],
    optimizer,
    tokens,
    firstStep,
    every,
    gradientGain: options.gradientGain ?? false,
    now: Date.now,
    deliver,
    onFault: (reason) => sayOnce(reason, `run ${run}, step ${probe.step}: ${reason}`),
  });

  const tellWarnings = () => {
    for (const warning of raised.splice(0)) {
      const broken = (error: unknown) =>
        sayOnce('onWarning', `run ${run}: onWarning failed at ${warning.rule}: ${error instanceof Error ? error.message : String(error)}`);
      try {
        const told: unknown = options.onWarning?.(warning);
        if (isPromise(told)) told.then(undefined, broken); // an unhandled rejection would end the process
      } catch (error) {
        broken(error);
      }
    }
  };
  let lastFailed = false;
  let closing: Promise<void> | null = null;
  const close = async ({ lingerSeconds = 0, outcome = lastFailed ? 'failed' : 'completed' }: CloseOptions = {}): Promise<void> => {
    signals.dispose();
    probe.detach();
    await Promise.allSettled([...probe.reads]);
    const linger = Math.min(lingerSeconds, LINGER_AT_MOST);
    if (client.alive && opened !== null) {
      post(client, { type: 'close', id, outcome, lingerSeconds: linger, monitor: { ...probe.counters } });
      await atMost(closed, linger + CLOSE_SECONDS);
    }
    await release(client, id, CLOSE_SECONDS);
  };
  const closeOnce = (how: CloseOptions = {}) => {
    closing ??= close(how).catch((error: Error) => log(`run ${run}: ${error.message}`));
    return closing;
  };
  const signals = watchSignals((outcome) => closeOnce({ outcome }));
  const stepped = () => {
    inStep = false;
    poll(client);
    tellWarnings();
    if (closing === null) signals.stepped();
  };
  const failed = (error: unknown): never => {
    lastFailed = true;
    inStep = false;
    abandonStep(probe);
    throw error;
  };
  const done = <T>(value: T): T => {
    lastFailed = false;
    endStep(probe, lossIn(value));
    stepped();
    return value;
  };

  return {
    run,
    url: client.url,
    counters: probe.counters,
    get compositeGain() {
      return compositeGain;
    },
    warnings: () => [...warnings.entries()].sort(([a], [b]) => a - b).map(([, record]) => record),
    callback: () =>
      new StepCallback(
        () => {
          if (closing !== null) return;
          inStep = true;
          beginStep(probe);
        },
        (logs) => {
          endStep(probe, lossIn(logs?.['loss']));
          stepped();
        },
      ),
    step: (act) => {
      if (closing !== null) return act();
      inStep = true;
      beginStep(probe);
      let result: ReturnType<typeof act>;
      try {
        result = act();
      } catch (error) {
        return failed(error);
      }
      return isPromise(result) ? (result.then(done, failed) as typeof result) : done(result);
    },
    observe: (name, tensor) => {
      const l = connections.findIndex((c) => c.info.name === name && c.own !== null);
      if (l < 0) throw new Error(`observe: ${name} is no connection of your own that is watched here`);
      observeOwn(probe, l, tensor);
    },
    close: closeOnce,
  };
}

/** How long the worker may take to commit the rest and end. */
const CLOSE_SECONDS = 10;
/** 23 days: a timer takes no more than 2^31 ms. */
const LINGER_AT_MOST = 2e6;

class StepCallback extends tf.Callback {
  private readonly begin: () => void;
  private readonly end: (logs: Record<string, unknown> | undefined) => void;
  constructor(begin: () => void, end: (logs: Record<string, unknown> | undefined) => void) {
    super();
    this.begin = begin;
    this.end = end;
  }
  override async onBatchBegin(): Promise<void> {
    this.begin();
  }
  override async onBatchEnd(_batch: number, logs?: Record<string, unknown>): Promise<void> {
    this.end(logs);
  }
}

const isPromise = (value: unknown): value is Promise<unknown> => typeof (value as Promise<unknown> | null)?.then === 'function';

function lossIn(value: unknown): tf.Tensor | number | null {
  if (typeof value === 'number') return value;
  return value instanceof tf.Tensor && value.size === 1 && !value.isDisposed ? value : null;
}

async function atMost(promise: Promise<void>, seconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, seconds * 1000);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
