/** The results of a demo as a table for the terminal. */
import Table from 'cli-table3';
import { GAIN_LIMITS, type RunResult } from './results.ts';

/** Near 1 its distance from it, which four digits would hide. */
function gain(value: number): string {
  const distance = Math.abs(value - 1);
  if (distance === 0 || !(distance < 1e-3)) return String(Number(value.toPrecision(4)));
  return `1 ${value < 1 ? '−' : '+'} ${distance.toExponential(0)}`;
}
const mebibytes = (bytes: number | null) => (bytes === null ? '–' : (bytes / 2 ** 20).toFixed(1));

/** A row for each figure, a column for each run. */
export function resultTable(results: readonly RunResult[]): string {
  const table = new Table({
    head: ['', ...results.map((r) => r.run)],
    style: { head: [], border: [] },
    colAligns: ['left', ...results.map(() => 'right' as const)],
  });
  const row = (label: string, cell: (result: RunResult) => string) => table.push([label, ...results.map(cell)]);
  row('loss, first → last ten of the steps', (r) => `${r.firstLoss.toFixed(3)} → ${r.lastLoss.toFixed(3)} of ${r.steps}`);
  row('max composite gain, forward', (r) => gain(r.maxCompositeForwardGain));
  row('max composite gain, backward', (r) => gain(r.maxCompositeBackwardGain));
  row('first warning', ({ firstWarning: first }) =>
    first === null ? 'none' : `step ${first.step}: ${first.rule}\n${first.connection ?? ''}`,
  );
  row(`composite gain passed ${GAIN_LIMITS.join(' / ')}`, (r) => {
    const [first, ...later] = GAIN_LIMITS.map((limit) => r[`passed${limit}`]);
    return first === null ? 'never' : `step ${[first, ...later.map((step) => step ?? '–')].join(' / ')}`;
  });
  row('worst |row sum − 1|', (r) => r.worstRowDeviation.toExponential(1));
  row('worst |column sum − 1|', (r) => r.worstColumnDeviation.toExponential(1));
  row('off-diagonal mass of H_res', (r) => r.offDiagonalMass.toFixed(3));
  row(
    'kept for backward by connections / branches, MiB',
    (r) => `${mebibytes(r.connectionActivations)} / ${mebibytes(r.branchActivations)}`,
  );
  row('held by the backend after the step, all models, MiB', (r) => mebibytes(r.allocated));
  row('ms per step, median', (r) => r.medianStepMs.toFixed(0));
  row('of it for watching', (r) => `${(100 * r.monitorShare).toFixed(1)} %`);
  return table.toString();
}
