// The last line of .ci/run: how many tests passed, failed and were skipped, and which were skipped. summary.mjs REPORT.json STATUS
import { readFileSync } from 'node:fs';

const [file, status] = process.argv.slice(2);
const text = readFileSync(file, 'utf8');
if (text === '') {
  console.log(`no test ran (exit ${status})`);
} else {
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(text);
  const skipped = testResults.flatMap((suite) => suite.assertionResults.filter((t) => t.status !== 'passed' && t.status !== 'failed').map((t) => t.fullName));
  const list = skipped.length === 0 ? 'none' : skipped.join('; ');
  console.log(`${numPassedTests} passed, ${numFailedTests} failed, ${skipped.length} skipped: ${list}`);
}
