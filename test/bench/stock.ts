/**
 * A training step on TF.js's wasm backend as it comes, against the same step after accelerate(tf): one model, the two in turns
 * within one run, since machines are noisy. Prints a Markdown table. `npm run bench:stock [-- --rounds 10 --widths 64,256 --connection mhc]`.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { accelerate } from 'gainwatch/kernels';
import { AdamW, type ConnectionName, createTransformer, crossEntropy, seededRandom } from 'gainwatch/model';
import { quantile } from '../eval/score.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    widths: { type: 'string', default: '64,256' },
    depth: { type: 'string', default: '12' },
    connection: { type: 'string', default: 'residual' },
  },
});
const ROUNDS = Number(values.rounds);
const DEPTH = Number(values.depth);
const [CONTEXT, BATCH, STREAMS] = [64, 8, 4];

await tf.setBackend('wasm');
await tf.ready();

/** One training step of a model of this width, timed in ms. */
function createStep(width: number): () => number {
  const connection = values.connection as ConnectionName;
  const model = createTransformer({ connection, depth: DEPTH, width, context: CONTEXT, heads: 4, streams: STREAMS, seed: 1 });
  const optimizer = new AdamW({ learningRate: 1e-4, clipNorm: 1 });
  const random = seededRandom(1);
  const bytes = () =>
    tf.tensor2d(
      Int32Array.from({ length: BATCH * CONTEXT }, () => 256 * random()),
      [BATCH, CONTEXT],
      'int32',
    );
  const [x, y] = [bytes(), bytes()];
  return () => {
    const start = performance.now();
    const loss = optimizer.minimize(() => crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor), true) as tf.Scalar;
    loss.dataSync();
    const time = performance.now() - start;
    loss.dispose();
    return time;
  };
}

console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}, backend ${tf.getBackend()}, TF.js ${tf.version_core}`);
console.log(`${values.connection}, ${DEPTH} blocks, T = ${CONTEXT}, B = ${BATCH}; ${ROUNDS} rounds, each runs both, in changing order\n`);
console.log('| C | stock, ms per step | accelerated, ms per step | stock / accelerated, median (quartiles) |');
console.log('| ---: | ---: | ---: | ---: |');
for (const width of values.widths.split(',').map(Number)) {
  const step = createStep(width);
  const times: Record<'stock' | 'fast', number[]> = { stock: [], fast: [] };
  const runners = {
    stock: step,
    fast: () => {
      const undo = accelerate(tf);
      const time = step();
      undo();
      return time;
    },
  };
  for (let round = -1; round < ROUNDS; round++) {
    for (const kind of round % 2 === 0 ? (['stock', 'fast'] as const) : (['fast', 'stock'] as const)) {
      const time = runners[kind]();
      if (round >= 0) times[kind].push(time); // the first round compiles
    }
  }
  const median = (list: number[]) => quantile(list, 0.5).toFixed(0);
  const ratios = times.stock.map((time, i) => time / times.fast[i]);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((q) => quantile(ratios, q).toFixed(1));
  console.log(`| ${width} | ${median(times.stock)} | ${median(times.fast)} | × ${middle} (${low} to ${high}) |`);
  tf.disposeVariables();
}
