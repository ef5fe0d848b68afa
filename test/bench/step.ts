/**
 * Times training steps of residual, HC and mHC models, watched and unwatched, in turns within one run: what is compared
 * is measured alternately, since machines are noisy. `npm run bench [-- --rounds 20 --widths 64,128 --backend wasm]`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { type Monitor, watch } from 'gainwatch';
import { accelerate } from 'gainwatch/kernels';
import { AdamW, createTransformer, crossEntropy, seededRandom } from 'gainwatch/model';
import { quantile } from '../eval/score.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    widths: { type: 'string', default: '64,128' },
    depth: { type: 'string', default: '12' },
    backend: { type: 'string', default: 'wasm' },
  },
});
const ROUNDS = Number(values.rounds);
const DEPTH = Number(values.depth);
const CONTEXT = 64;
const BATCH = 8;
const WARM = 3;
const KINDS = ['residual', 'hc', 'mhc'] as const;

await tf.setBackend(values.backend);
accelerate(tf);
const runs = mkdtempSync(join(tmpdir(), 'gainwatch-bench-'));
const median = (list: number[]) => quantile(list, 0.5);

interface Runner {
  kind: string;
  monitor: Monitor | null;
  step: () => number;
  times: number[];
}

async function createRunner(kind: (typeof KINDS)[number], width: number, watched: boolean): Promise<Runner> {
  const model = createTransformer({ connection: kind, depth: DEPTH, width, context: CONTEXT, heads: 4, streams: 4, seed: 1 });
  const optimizer = new AdamW({ learningRate: 1e-4, clipNorm: 1 });
  const random = seededRandom(1);
  const bytes = () =>
    tf.tensor2d(
      Int32Array.from({ length: BATCH * CONTEXT }, () => 256 * random()),
      [BATCH, CONTEXT],
      'int32',
    );
  const [x, y] = [bytes(), bytes()];
  const monitor = watched ? await watch(model, { run: `${kind}-${width}`, optimizer, runs, port: 0, log: () => {} }) : null;
  const train = () => optimizer.minimize(() => crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor), true) as tf.Scalar;
  return {
    kind,
    monitor,
    times: [],
    step: () => {
      const start = performance.now();
      const loss = monitor === null ? train() : monitor.step(train);
      loss.dataSync();
      const time = performance.now() - start;
      loss.dispose();
      return time;
    },
  };
}

console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}, backend ${tf.getBackend()}`);
console.log(`${DEPTH} blocks, T = ${CONTEXT}, B = ${BATCH}, n = 4; ${ROUNDS} rounds, every runner once per round, in changing order\n`);
for (const width of values.widths.split(',').map(Number)) {
  const runners: Runner[] = [];
  for (const kind of KINDS) for (const watched of [false, true]) runners.push(await createRunner(kind, width, watched));
  for (let round = 0; round < WARM + ROUNDS; round++) {
    const order = round % 2 === 0 ? runners : [...runners].reverse();
    for (const runner of order) {
      const time = runner.step();
      if (round >= WARM) runner.times.push(time);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  const residual = runners[0].times;
  console.log(`C = ${width}`);
  for (const kind of KINDS) {
    const [plain, watched] = runners.filter((r) => r.kind === kind);
    const ratios = plain.times.map((time, i) => watched.times[i] / time);
    const toResidual = plain.times.map((time, i) => time / residual[i]);
    const { overheadSeconds, samplesDropped, errors } = watched.monitor!.counters;
    const own = (1000 * overheadSeconds) / (WARM + ROUNDS);
    console.log(
      `  ${kind.padEnd(8)} ${median(plain.times).toFixed(0).padStart(5)} ms/step  × ${median(toResidual).toFixed(2)} of residual` +
        ` | watched ${median(watched.times).toFixed(0).padStart(5)} ms, ratio ${median(ratios).toFixed(3)} (quartiles ${quantile(ratios, 0.25).toFixed(3)} to ${quantile(ratios, 0.75).toFixed(3)})` +
        ` | in our own hooks ${own.toFixed(1)} ms = ${((100 * own) / median(plain.times)).toFixed(2)} %` +
        ` | dropped ${samplesDropped}, errors ${errors}`,
    );
  }
  for (const { monitor } of runners) await monitor?.close();
  tf.disposeVariables();
}
rmSync(runs, { recursive: true, force: true });
