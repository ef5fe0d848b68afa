/**
 * Holds every acknowledged step against the recordings, over random seeds: `npm run torture -- --seeds 20`. One again, with all that
 * happens: `npm run torture -- --seed 7`. `--ms` is how long trainings send and faults befall, `--steps` the most of an attempt,
 * `--cli` the gainwatch.js of another build.
 * Everything but timing follows from the seed. Ends with 1 where a step is missing, twice or wrong. Faults that need root, setpriv,
 * prlimit, sqlite3 or libfaketime (apt-get install faketime) are left out where those are missing.
 */
import { parseArgs } from 'node:util';
import { planOf } from './plan.ts';
import { type SeedResult, tortureSeed } from './seed.ts';
import { CLI } from './server.ts';
import { isFlawless, lineOf, summaryOf } from './summary.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    seed: { type: 'string' },
    ms: { type: 'string', default: '20000' },
    steps: { type: 'string', default: '1000' },
    cli: { type: 'string', default: CLI },
  },
});
const only = values.seed === undefined ? null : Number(values.seed);
const seeds = only === null ? Array.from({ length: Number(values.seeds) }, (_, i) => i + 1) : [only];
const results: SeedResult[] = [];
for (const seed of seeds) {
  const plan = planOf(seed, Number(values.ms), Number(values.steps));
  if (only !== null)
    process.stderr.write(`${JSON.stringify(plan, (key, value) => (key === 'order' ? `${value.length} steps` : value), 1)}\n`);
  const result = await tortureSeed(plan, (ms, text) => process.stderr.write(`seed ${seed}  +${(ms / 1000).toFixed(2)} s  ${text}\n`), {
    isDetailed: only !== null,
    cli: values.cli,
  });
  results.push(result);
  process.stdout.write(`${lineOf(result)}\n`);
  for (const { kind, what } of result.findings.slice(0, 20)) process.stdout.write(`  ${kind}: ${what}\n`);
  for (const file of result.damaged) process.stdout.write(`  damaged: ${file}\n`);
}
process.stdout.write(`${summaryOf(results)}\n`);
process.exitCode = results.every(isFlawless) ? 0 : 1;
