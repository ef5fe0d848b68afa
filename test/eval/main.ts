/**
 * `npm run eval`: scores the detectors and the baselines on the recorded corpus and writes RESULTS.md.
 * `-- --check` writes nothing and fails where RESULTS.md says something else; `-- --help` says the rest.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { numberOf, wholeNumberRule } from '../../plugin/wholeNumber.ts';
import { evaluationOf, planJobs } from './evaluation.ts';
import { resultsOf, shortTable } from './markdown.ts';
import { readSeries } from './series.ts';
import { runJobs } from './threads.ts';

const HELP = `npm run eval [-- --check] [--threads N]

Replays the recordings in test/eval/recordings through gainwatch's detectors and through the baselines, which are tuned on the
tuning half, scores them on the held-out half, and writes test/eval/RESULTS.md. Takes about 3 minutes on 2 cores.

  --check      write nothing; exit 1 where RESULTS.md or the table in alerts/README.md differ
  --threads N  threads to work in, ${availableParallelism()} by default
  --help       show this`;

const ROOT = join(import.meta.dirname, '../../..');
const FOLDER = join(ROOT, 'test/eval/recordings');
const RESULTS = join(ROOT, 'test/eval/RESULTS.md');
/** Has the short table. */
const README = join(ROOT, 'alerts/README.md');

const { values } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    threads: { type: 'string', default: String(availableParallelism()) },
    help: { type: 'boolean', default: false },
  },
});
const threads = numberOf(values.threads);
const broken = wholeNumberRule(threads, 1);
if (values.help) console.log(HELP);
else if (broken !== null) {
  console.error(`--threads ${broken}, got ${values.threads}`);
  process.exitCode = 2;
} else {
  const jobs = planJobs();
  const bar = new SingleBar({ format: '{bar} {value}/{total} parts | {duration_formatted}', noTTYOutput: true, stream: process.stderr });
  bar.start(jobs.length, 0);
  const results = await runJobs(FOLDER, jobs, threads, () => bar.increment());
  bar.stop();
  const evaluation = evaluationOf(readSeries(FOLDER), jobs, results);
  const text = resultsOf(evaluation);
  const short = shortTable(evaluation);
  if (!values.check) {
    writeFileSync(RESULTS, text);
    console.log(`${short}\n\nwritten to ${RESULTS}`);
  } else {
    const wrong = [
      ...(readFileSync(RESULTS, 'utf8') === text ? [] : [RESULTS]),
      ...(readFileSync(README, 'utf8').includes(short) ? [] : [README]),
    ];
    if (wrong.length > 0) throw new Error(`not what the recordings give: ${wrong.join(', ')}; run npm run eval`);
    console.log('RESULTS.md and alerts/README.md are what the recordings give.');
  }
}
