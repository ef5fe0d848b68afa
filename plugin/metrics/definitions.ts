/** Every metric, in the order of the exposition, those of the connections among them: what is scraped, and what README.md lists. */
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { boundOf, MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import { RULE_SEVERITIES } from '../../src/telemetry/warning.ts';
import { define, type MetricDefinition, ofConnections, ofLayer } from './definition.ts';
import { INGEST_DEFINITIONS, RANK_DEFINITIONS } from './ingestDefinitions.ts';
import { RUN_DEFINITIONS } from './runDefinitions.ts';

const ofMeasure = ({ metric, help }: { metric: string; help: string }, m: number): MetricDefinition =>
  ofLayer(metric, help, ({ run, last }, l) => {
    if (last === null) return null;
    const value = last.measures[m * run.header.connections.length + l];
    // Undefined here is absent; NaN is shown where the values themselves are not finite.
    return Number.isNaN(value) && last.nonfinite[l] === 0 ? null : value;
  });

/** Of each connection: every measure of the catalogue, non-finite values, memory, and what it is. */
const CONNECTION_DEFINITIONS: readonly MetricDefinition[] = [
  ...MEASURES.map(ofMeasure),
  ofLayer('mhc_nonfinite_values_total', 'NaN and infinite values among the sampled ones.', ({ nonfiniteTotal }, l) => nonfiniteTotal[l]),
  ofConnections(
    'mhc_layer_memory_bytes',
    'Memory of a connection; activations is what it keeps for the backward pass, branch_activations what its branch keeps.',
    ['kind'],
    ({ run: { header }, last }) =>
      MEMORY_KINDS.flatMap((kind, k) =>
        header.connections.map(({ name: layer }, l) => {
          const bytes = last?.memory?.connections[k * header.connections.length + l];
          return [{ layer, kind }, Number.isFinite(bytes) ? bytes : null];
        }),
      ),
  ),
  ofConnections(
    'mhc_layer_info',
    'What each connection is; always 1.',
    ['kind', 'streams', 'convention', 'bounded', 'index'],
    ({ run: { header } }) =>
      header.connections.map((one, index) => [
        {
          layer: one.name,
          kind: one.kind,
          streams: String(header.streams),
          convention: one.convention ?? '',
          bounded: boundOf(one) ?? '',
          index: String(index),
        },
        1,
      ]),
  ),
];

const BUILD_INFO = define('mhc_build_info', 'The version of gainwatch; always 1.', ['version'], ({ version }) => [[{ version }, 1]]);

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

/** The series of the run itself: one of each metric that has no layer, those of the histogram, of two thresholds; and of the rules. */
const OF_RUN = 35 + Object.values(RULE_SEVERITIES).flat().length;
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
