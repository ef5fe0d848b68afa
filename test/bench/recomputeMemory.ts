/**
 * What selective recompute saves and costs: peak memory and time of whole training steps without and in both modes, in turns
 * within one run, and the streams kept against the formula.
 */
import * as tf from '@tensorflow/tfjs';
import { RECOMPUTE_MODES, type RecomputeMode, recomputeBlock } from 'gainwatch/connections';
import { accelerate } from 'gainwatch/kernels';
import type { ConnectionName } from 'gainwatch/model';
import { type Allocated, countAllocated } from './allocated.ts';
import { milliseconds, type Result, ratio } from './benchTable.ts';
import { createTrainee, STREAMS, type Turn, takeTurns } from './runner.ts';
import type { StepsOptions } from './trainingSteps.ts';

const CONTEXT = 64;
const BATCH = 8;
const WARM = 2;

interface Runner extends Turn {
  mode: RecomputeMode;
  /** Bytes of weights and slots, and those of a step at its peak with them. */
  rest: number;
  peak: number;
  /** Streams kept from the forward pass on, in units of C elements per token. */
  streams: number;
  step: () => number;
}

function createRunner(allocated: Allocated, { width, depth }: StepsOptions, connection: ConnectionName, mode: RecomputeMode): Runner {
  const before = allocated.bytes;
  const { train } = createTrainee({ connection, width, depth, batch: BATCH, context: CONTEXT, recompute: mode });
  const runner: Runner = {
    mode,
    rest: 0,
    peak: 0,
    streams: 0,
    times: [],
    step: () => {
      allocated.restart();
      const held = allocated.bytes;
      const start = performance.now();
      const loss = train();
      loss.dataSync();
      const time = performance.now() - start;
      runner.peak = runner.rest + allocated.peak - held;
      loss.dispose();
      return time;
    },
  };
  train().dispose(); // the slots are made
  runner.rest = allocated.bytes - before;
  const one = connection === 'residual' ? 1 : STREAMS;
  train(() => {
    const buffers = new Set<object>();
    for (const node of tf.engine().state.activeTape) {
      if (node.kernelName === tf.Sum) continue; // the layer after the connections keeps the last streams, in every mode
      for (const { dataId, shape } of node.saved ?? []) {
        if (one > 1 && shape.length === 4 && shape[2] === STREAMS && shape[3] === width) buffers.add(dataId);
      }
    }
    runner.streams = buffers.size * STREAMS;
  }).dispose();
  return runner;
}

/** On cpu and wasm: where memory can be looked into. */
export async function recomputeMemory(options: StepsOptions): Promise<Result> {
  const { width, depth, rounds, onRound } = options;
  const undo = accelerate(tf);
  const allocated = countAllocated();
  const rows: string[][] = [];
  for (const kind of ['residual', 'hc', 'mhc'] as const) {
    const modes = RECOMPUTE_MODES.filter((mode) => kind !== 'residual' || mode !== 'connections');
    const runners = modes.map((mode) => createRunner(allocated, options, kind, mode));
    await takeTurns(runners, rounds, WARM, onRound);
    for (const { mode, times, peak, streams } of runners) {
      const kept = kind === 'residual' ? '–' : `${streams}C`;
      const share = `${((100 * peak) / runners[0].peak).toFixed(0)} %`;
      rows.push([kind, mode, milliseconds(times), ratio(times, runners[0].times, 2), (peak / 2 ** 20).toFixed(1), share, kept]);
    }
    tf.disposeVariables();
  }
  allocated.end();
  undo();
  const connections = 2 * depth;
  const length = recomputeBlock(STREAMS, connections);
  const formula = `${STREAMS * Math.ceil(connections / length)}C of streams kept instead of ${STREAMS * connections}C`;
  return {
    title: 'Selective recompute',
    note: `${depth} blocks, C = ${width}, T = ${CONTEXT}, B = ${BATCH}, n = ${STREAMS}; ${rounds} rounds. Peak: the most that is allocated during a step, weights and optimizer included. Formula: L_r = ${length}, ${formula}.`,
    head: ['', 'recompute', 'ms per step', 'time', 'peak, MiB', 'peak', 'streams kept'],
    rows,
  };
}
