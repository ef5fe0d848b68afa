/** What came of the seeds, in words and as a table of Markdown. Pure. */
import type { FindingKind } from './check.ts';
import type { SeedResult } from './seed.ts';

const KINDS: readonly FindingKind[] = ['missing', 'twice', 'wrong', 'unsent'];

const count = ({ findings }: SeedResult, kind: FindingKind): number => findings.filter((finding) => finding.kind === kind).length;
const sumOf = (map: ReadonlyMap<unknown, number>): number => [...map.values()].reduce((sum, value) => sum + value, 0);
const listOf = (map: ReadonlyMap<unknown, number>): string => [...map].map(([key, value]) => `${value} × ${key}`).join(', ') || 'none';

/** Nothing missing, twice, wrong or of nobody, no file damaged, no step left, and the server neither died nor had a second beside it. */
export const isFlawless = (result: SeedResult): boolean =>
  result.findings.length + result.damaged.length + result.left + result.secondServers + result.crashes === 0;

/** One line of a seed. */
export function lineOf(result: SeedResult): string {
  const { seed, acknowledged, damaged, left, refused, answers, faults, skipped, secondServers, crashes } = result;
  const found = KINDS.map((kind) => `${count(result, kind)} ${kind}`).join(', ');
  const other = `${damaged.length} damaged, ${left} left, ${secondServers} second servers, ${crashes} crashes`;
  const leftOut = skipped.size === 0 ? '' : `; LEFT OUT: ${listOf(skipped)}`;
  return `seed ${seed}: ${acknowledged} acknowledged, ${found}, ${other}; refused ${listOf(refused)}; answers ${listOf(answers)}; faults ${listOf(faults)}${leftOut}`;
}

/** The table of all, and its totals. */
export function summaryOf(results: readonly SeedResult[]): string {
  const cells = (result: SeedResult) => [
    result.acknowledged,
    ...KINDS.map((kind) => count(result, kind)),
    result.damaged.length,
    result.left,
    sumOf(result.refused),
    result.secondServers,
    result.crashes,
    sumOf(result.faults),
    sumOf(result.skipped),
  ];
  const rows = results.map((result) => [String(result.seed), ...cells(result)]);
  const totals = results.map(cells).reduce((sum, row) => sum.map((value, i) => value + row[i]), new Array<number>(12).fill(0));
  const head = ['seed', 'acknowledged', ...KINDS, 'damaged', 'left', 'refused', 'second servers', 'crashes', 'faults', 'left out'];
  const lines = [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows, ['all', ...totals]];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}
