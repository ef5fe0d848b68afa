/** The steps of a watched run: a function of the user's, or a batch of model.fit. */
import * as tf from '@tensorflow/tfjs';
import { abandonStep, beginStep, endStep } from '../probe/probe.ts';
import { poll } from '../worker/client.ts';
import type { MonitorState } from './monitorState.ts';
import { emitWarnings, isPromise } from './workerExchange.ts';

/** Monitor.step: what it returns and throws is the function's. After close() it only runs it. */
export function runStep<T>(state: MonitorState, run: () => T): T {
  if (state.closing !== null) return run();
  const onDone = <V>(value: V): V => {
    state.lastFailed = false;
    handleStepEnd(state, value);
    return value;
  };
  const onFailed = (error: unknown): never => {
    state.lastFailed = true;
    state.inStep = false;
    abandonStep(state.probe);
    throw error;
  };
  handleStepBegin(state);
  let result: T;
  try {
    result = run();
  } catch (error) {
    return onFailed(error);
  }
  return isPromise(result) ? (result.then(onDone, onFailed) as T) : onDone(result);
}

function handleStepBegin(state: MonitorState): void {
  if (state.closing !== null) return;
  state.inStep = true;
  beginStep(state.probe);
}

/** @param loss what may be one: a scalar tensor or a number */
function handleStepEnd(state: MonitorState, loss: unknown): void {
  endStep(state.probe, lossIn(loss));
  state.inStep = false;
  poll(state.client);
  emitWarnings(state);
  if (state.closing === null) state.signals.stepped();
}

function lossIn(value: unknown): tf.Tensor | number | null {
  if (typeof value === 'number') return value;
  return value instanceof tf.Tensor && value.size === 1 && !value.isDisposed ? value : null;
}

/** Makes each batch of model.fit a step. The object form of a callback would await a read of the loss at each batch. */
export class StepCallback extends tf.Callback {
  private readonly state: MonitorState;
  constructor(state: MonitorState) {
    super();
    this.state = state;
  }
  override async onBatchBegin(): Promise<void> {
    handleStepBegin(this.state);
  }
  override async onBatchEnd(_batch: number, logs?: Record<string, unknown>): Promise<void> {
    handleStepEnd(this.state, logs?.['loss']);
  }
}
