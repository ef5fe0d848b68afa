/** The metrics as README.md lists them, made from their definitions. */
import { CONNECTION_DEFINITIONS } from './connectionDefinitions.ts';
import { definitions, STEP_SECONDS } from './definitions.ts';
import { RANK_DEFINITIONS } from './ingestDefinitions.ts';

/** A table in Markdown: metric, labels, meaning. */
export function metricsTable(): string {
  const rows = [...definitions(true), STEP_SECONDS].map(({ name, help, labels }) => {
    const asked = RANK_DEFINITIONS.some((definition) => definition.name === name) ? ' With `--rank-label`.' : '';
    return `| \`${name}\` | ${labels.join(', ')} | ${help.replaceAll('|', '\\|')}${asked} |`;
  });
  return ['| metric | labels | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** The series of the run itself: one of each metric that has no layer, those of the histogram, of the rules and of the two thresholds. */
const OF_RUN = 45;
/** More than one data-parallel rank: two metrics for each of four gains. */
const OF_RANKS = 8;
/** A large model: two connections in each of 61 layers. */
const EXAMPLE_CONNECTIONS = 122;

/** The sentences of README.md about the number of series. */
export function seriesCount(): string {
  const each = CONNECTION_DEFINITIONS.length - 1; // memory has a line of its own there
  const example = each * EXAMPLE_CONNECTIONS + OF_RUN;
  const thousands = (count: number) => count.toLocaleString('en');
  return `A run of L connections has at most ${each} L + ${OF_RUN} series: ${each - 2} measures, non-finite values and info per connection; the rest
is the run's own. ${EXAMPLE_CONNECTIONS} connections are ${thousands(example)} series, ${thousands(example + OF_RANKS * EXAMPLE_CONNECTIONS)} with data-parallel ranks.`;
}
