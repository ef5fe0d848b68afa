/** Every metric, in the order of the exposition: what is scraped, and what README.md lists. */
import { CONNECTION_DEFINITIONS } from './connectionDefinitions.ts';
import { define, type MetricDefinition } from './definition.ts';
import { INGEST_DEFINITIONS, RANK_DEFINITIONS } from './ingestDefinitions.ts';
import { RUN_DEFINITIONS } from './runDefinitions.ts';

const BUILD_INFO = define('gauge', 'mhc_build_info', 'The version of gainwatch; always 1.', ['version'], ({ version }) => [
  [{ version }, 1],
]);

/** The only one that is filled step by step and not at the scrape. */
export const STEP_SECONDS = {
  name: 'mhc_training_step_seconds',
  help: 'Duration of the watched training steps.',
  labels: ['run'],
  /** Upper bounds, seconds. Our choice: from a small model on a CPU to a large one on many machines. */
  buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
};

/** @param rankLabel series of each rank too */
export const definitions = (rankLabel: boolean): MetricDefinition[] => [
  ...CONNECTION_DEFINITIONS,
  ...RUN_DEFINITIONS,
  ...INGEST_DEFINITIONS,
  ...(rankLabel ? RANK_DEFINITIONS : []),
  BUILD_INFO,
];

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
