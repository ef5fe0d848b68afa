/**
 * Times the detectors against the analysis of the same step (both run in the monitor's thread), in turns within one run.
 * `npm run bench:detect [-- --steps 2000]`.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { createDetectors, detect } from '../../alerts/detect.ts';
import { numberOf, wholeNumberRule } from '../../plugin/wholeNumber.ts';
import { seededRandom } from '../../src/model/random.ts';
import { analyse } from '../../src/telemetry/analyse.ts';
import type { RunHeader, StepSample } from '../../src/telemetry/sample.ts';
import { quantile } from '../eval/score.ts';
import { headerOf, sampleOf } from './samples.ts';

const { values } = parseArgs({ options: { steps: { type: 'string', default: '2000' } } });
const STEPS = numberOf(values.steps);
const broken = wholeNumberRule(STEPS, 1);
if (broken !== null) throw new Error(`--steps ${broken}, got ${values.steps}`);
const WARM = 200;
const TOKENS = 64;
const N = 4;

/** Near the identity, a little noise. */
function noisy({ connections }: RunHeader, step: number): StepSample {
  const random = seededRandom(step);
  const size = connections.length * TOKENS * N * N;
  const near = (on: number, off: number) => Float32Array.from({ length: size }, (_, k) => (k % (N + 1) === 0 ? on : off) + 0.01 * random());
  return sampleOf(step, {
    loss: 3 + 0.1 * random(),
    gradientNorm: 1 + 0.1 * random(),
    mappings: near(0.94, 0.02),
    logits: near(4, 0),
    grams: near(2, 0.5),
    inputSquares: new Float32Array(connections.length * TOKENS).fill(2),
    logitGradients: new Float32Array(connections.length).fill(0.01),
  });
}

console.log(`${cpus()[0].model}, Node ${process.version}; ${STEPS} steps, ${TOKENS} token positions, n = ${N}`);
for (const kind of ['hc', 'mhc'] as const) {
  for (const layers of [24, 128]) {
    const header = headerOf(kind, kind, layers, N, TOKENS);
    const state = createDetectors(header);
    const samples = Array.from({ length: 16 }, (_, k) => noisy(header, k + 1));
    const [analysing, detecting]: [number[], number[]] = [[], []];
    for (let step = 1; step <= WARM + STEPS; step++) {
      const start = performance.now();
      const report = analyse(header, { ...samples[step % 16], step, time: 1000 * step });
      const between = performance.now();
      detect(header, state, report);
      const end = performance.now();
      if (step <= WARM) continue;
      analysing.push(between - start);
      detecting.push(end - between);
    }
    const each = detecting.map((ms) => (1000 * ms) / layers);
    const ratios = detecting.map((ms, i) => ms / analysing[i]);
    console.log(
      `  ${kind.padEnd(4)}${String(layers).padStart(4)} connections: detect ${quantile(each, 0.5).toFixed(2)} µs per connection and step` +
        ` (95 % below ${quantile(each, 0.95).toFixed(2)}), ${quantile(ratios, 0.5).toFixed(3)} of the analysis` +
        ` (quartiles ${quantile(ratios, 0.25).toFixed(3)} to ${quantile(ratios, 0.75).toFixed(3)})`,
    );
  }
}
