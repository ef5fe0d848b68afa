/**
 * watch(): puts the probe on a model or a list of connections, and the worker behind it. The public face of the plugin: what is
 * looked at is in probe/, what is held between the steps in monitor/, what becomes of it in worker/.
 */
import * as tf from '@tensorflow/tfjs';
import type { MonitorCounters } from '../src/telemetry/sample.ts';
import type { WarningRecord } from '../src/telemetry/warning.ts';
import { type CloseOptions, closeOnce } from './monitor/close.ts';
import { createMonitorState, type MonitorState } from './monitor/monitorState.ts';
import { runStep, StepCallback } from './monitor/steps.ts';
import { deliverSample, handleMessage } from './monitor/workerExchange.ts';
import { findConnections, type Watchable } from './probe/findConnections.ts';
import { observeOwn } from './probe/hooks.ts';
import { attachProbe, createProbe } from './probe/probe.ts';
import type { ProbeState } from './probe/probeState.ts';
import { watchSignals } from './signals.ts';
import { readWatchOptions, type WatchOptions } from './watchOptions.ts';
import { register, workerFor } from './worker/client.ts';

export type { CloseOptions } from './monitor/close.ts';
export type { OwnConnection, Watchable } from './probe/findConnections.ts';
export type { WatchOptions } from './watchOptions.ts';

export interface Monitor {
  /** Its name; with `url` another than asked for, where that run goes on in another training. */
  readonly run: string;
  /** To be kept with a checkpoint: `watch(model, { url, run, key })` of what resumes goes on in the same run at once. */
  readonly key: string;
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
  /** Gives what the mapping of a connection of one's own (without a layer) reads. @throws on a name that is not watched */
  observe(name: string, tensor: tf.Tensor): void;
  /** Takes all hooks off, waits for what is on its way, ends the run. May be called again. Never throws. */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * @param target a model whose layers are connections of gainwatch (without any: a baseline), or a list of connections from input to output
 * @throws Error on an option that breaks its rule, naming it; where the given port is taken
 */
export async function watch(target: tf.LayersModel | readonly Watchable[], options: WatchOptions = {}): Promise<Monitor> {
  const connections = findConnections(target);
  const settings = readWatchOptions(options);
  const { run, log } = settings;
  const model = target instanceof tf.LayersModel ? target : null;
  const optimizer = options.optimizer ?? model?.optimizer ?? null;

  const client = await workerFor(settings.server);
  const probe: ProbeState = createProbe({
    ...settings,
    connections,
    weights: model?.weights ?? [],
    optimizer,
    now: Date.now,
    deliver: (sample, streams, listed) => deliverSample(state, sample, streams, listed),
    onFault: (reason) => state.warnOnce(reason, `run ${run}, step ${probe.step}: ${reason}`),
    onNotice: (line) => state.warnOnce(line, `run ${run}: ${line}`),
  });
  const state = createMonitorState(settings, client, probe);
  state.id = register(client, run, (message) => handleMessage(state, message));
  log(`run ${run}: dashboard ${client.url}, metrics ${client.url}metrics`);
  if (client.note !== null) log(client.note);
  if (connections.length === 0)
    log(
      `run ${run}: no connection found: a baseline, of which loss, gradient norm and memory are watched (connections: layers of gainwatch/connections, or a list of { name, mapping })`,
    );
  if (optimizer === null) log(`run ${run}: no optimizer given: learning rate, gradient norm, gradient and optimizer bytes are not known`);
  attachProbe(probe);
  state.signals = watchSignals((outcome) => closeOnce(state, { outcome }));
  return monitorOf(state);
}

/** What the user holds of a watched run. */
function monitorOf(state: MonitorState): Monitor {
  const { client, probe, settings, warnings } = state;
  return {
    get run() {
      return state.run;
    },
    key: settings.key,
    get url() {
      return client.url;
    },
    counters: probe.counters,
    get compositeGain() {
      return state.compositeGain;
    },
    warnings: () => [...warnings.entries()].sort(([a], [b]) => a - b).map(([, record]) => record),
    callback: () => new StepCallback(state),
    step: (act) => runStep(state, act),
    observe: (name, tensor) => {
      const l = probe.options.connections.findIndex(({ info, own }) => info.name === name && own !== null);
      if (l < 0) throw new Error(`observe: ${name} is no connection of your own that is watched here`);
      observeOwn(probe, l, tensor);
    },
    close: (how) => closeOnce(state, how),
  };
}
