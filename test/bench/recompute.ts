/**
 * What selective recompute saves and costs: peak memory and time of whole training steps without and in both modes, in turns
 * within one run, and the streams kept against the formula. Prints a Markdown table.
 * `npm run bench:recompute [-- --rounds 10 --width 64 --depth 12 --backend wasm]`.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { RECOMPUTE_MODES, type RecomputeMode, recomputeBlock } from 'gainwatch/connections';
import { accelerate } from 'gainwatch/kernels';
import { AdamW, createTransformer, crossEntropy, seededRandom } from 'gainwatch/model';
import { quantile } from '../eval/score.ts';
import { countAllocated } from './allocated.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    width: { type: 'string', default: '64' },
    depth: { type: 'string', default: '12' },
    backend: { type: 'string', default: 'wasm' },
  },
});
const [ROUNDS, WIDTH, DEPTH] = [values.rounds, values.width, values.depth].map(Number);
const CONTEXT = 64;
const BATCH = 8;
const STREAMS = 4;
const WARM = 2;

await tf.setBackend(values.backend);
accelerate(tf);
const allocated = countAllocated();
const median = (list: number[]) => quantile(list, 0.5);

interface Runner {
  mode: RecomputeMode;
  /** Bytes of weights and slots, and those of a step at its peak with them. */
  rest: number;
  peak: number;
  /** Streams kept from the forward pass on, in units of C elements per token. */
  streams: number;
  times: number[];
  step: () => number;
}

function createRunner(connection: 'residual' | 'hc' | 'mhc', mode: RecomputeMode): Runner {
  const before = allocated.bytes;
  const size = { depth: DEPTH, width: WIDTH, context: CONTEXT, heads: 4, streams: STREAMS, seed: 1 };
  const model = createTransformer({ connection, ...size, recompute: mode });
  const optimizer = new AdamW({ learningRate: 1e-4, clipNorm: 1 });
  const random = seededRandom(1);
  const bytes = () =>
    tf.tensor2d(
      Int32Array.from({ length: BATCH * CONTEXT }, () => 256 * random()),
      [BATCH, CONTEXT],
      'int32',
    );
  const [x, y] = [bytes(), bytes()];
  const train = (look = () => {}) =>
    optimizer.minimize(() => {
      const loss = crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor);
      look();
      return loss;
    }, true) as tf.Scalar;
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
        if (one > 1 && shape.length === 4 && shape[2] === STREAMS && shape[3] === WIDTH) buffers.add(dataId);
      }
    }
    runner.streams = buffers.size * STREAMS;
  }).dispose();
  return runner;
}

const connections = 2 * DEPTH;
console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}, backend ${tf.getBackend()}`);
console.log(
  `${DEPTH} blocks, C = ${WIDTH}, T = ${CONTEXT}, B = ${BATCH}, n = ${STREAMS}; median of ${ROUNDS} rounds, every runner once per round`,
);
const length = recomputeBlock(STREAMS, connections);
console.log(
  `Formula: L_r = ${length}, ${STREAMS * Math.ceil(connections / length)}C of streams kept instead of ${STREAMS * connections}C\n`,
);
console.log('| | recompute | ms per step | time | peak, MiB | peak | streams kept |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |');
for (const kind of ['residual', 'hc', 'mhc'] as const) {
  const modes = RECOMPUTE_MODES.filter((mode) => kind !== 'residual' || mode !== 'connections');
  const runners = modes.map((mode) => createRunner(kind, mode));
  for (let round = 0; round < WARM + ROUNDS; round++) {
    for (const runner of round % 2 === 0 ? runners : [...runners].reverse()) {
      const time = runner.step();
      if (round >= WARM) runner.times.push(time);
    }
  }
  for (const { mode, times, peak, streams } of runners) {
    const ratio = median(times.map((time, i) => time / runners[0].times[i])).toFixed(2);
    const kept = kind === 'residual' ? '–' : `${streams}C`;
    const share = `${((100 * peak) / runners[0].peak).toFixed(0)} %`;
    console.log(`| ${kind} | ${mode} | ${median(times).toFixed(0)} | × ${ratio} | ${(peak / 2 ** 20).toFixed(1)} | ${share} | ${kept} |`);
  }
  tf.disposeVariables();
}
