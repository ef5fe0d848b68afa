// The last line of .ci/run: how many tests passed, failed and were skipped, of vitest and of Python's unittest, and which were skipped.
// summary.mjs REPORT.json STATUS PYTHON.txt: vitest's report and exit status; what `unittest -v` printed, or "SKIPPED: why".
import { readFileSync } from 'node:fs';

const [file, status, pythonFile] = process.argv.slice(2);

/** @returns null where no test ran */
function vitest(text) {
  if (text === '') return null;
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(text);
  const tests = testResults.flatMap((suite) => suite.assertionResults);
  const skipped = tests.filter((t) => t.status !== 'passed' && t.status !== 'failed').map((t) => t.fullName);
  return { passed: numPassedTests, failed: numFailedTests, count: skipped.length, skipped };
}

/** Of the last lines, "Ran 12 tests in 3.4s" and "FAILED (failures=1, errors=2, skipped=3)"; who was skipped stands in the lines of -v. */
function unittest(text) {
  const why = /^SKIPPED: (.*)$/m.exec(text)?.[1];
  if (why !== undefined) return { passed: 0, failed: 0, count: 1, skipped: [`all of plugin/python (${why})`] };
  const ran = /^Ran (\d+) tests? in /m.exec(text)?.[1];
  const result = /^(?:OK|FAILED|NO TESTS RAN)(?: \((.*)\))?$/m.exec(text);
  if (ran === undefined || result === null) return null;
  const of = (name) => Number(new RegExp(`\\b${name}=(\\d+)`).exec(result[1] ?? '')?.[1] ?? 0);
  const failed = of('failures') + of('errors') + of('unexpected successes');
  const skipped = [...text.matchAll(/^(\S+) \(\S+\)(?:\n.*)? \.\.\. skipped (.*)$/gm)].map(([, name, reason]) => `${name} (${reason.slice(1, -1)})`);
  return { passed: Math.max(0, Number(ran) - failed - of('skipped')), failed, count: of('skipped'), skipped };
}

const parts = [vitest(readFileSync(file, 'utf8')), unittest(readFileSync(pythonFile, 'utf8'))];
if (parts[0] === null) console.log(`no test of vitest ran (exit ${status})`);
if (parts[1] === null) console.log('no test of Python ran');
if (parts.some((part) => part !== null)) {
  const sum = (key) => parts.reduce((total, part) => total + (part?.[key] ?? 0), 0);
  const skipped = parts.flatMap((part) => part?.skipped ?? []);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('count')} skipped: ${sum('count') === 0 ? 'none' : skipped.join('; ')}`);
}
