/** Every metric, in the order of the exposition: what is scraped, and what README.md lists. */
import { CONNECTION_DEFINITIONS } from './connectionDefinitions.ts';
import { define, type MetricDefinition } from './definition.ts';
import { INGEST_DEFINITIONS, RANK_DEFINITIONS } from './ingestDefinitions.ts';
import { RUN_DEFINITIONS } from './runDefinitions.ts';

const BUILD_INFO = define('gauge', 'mhc_build_info', 'The version of gainwatch; always 1.', ['version'], ({ version }, set) =>
  set({ version }, 1),
);

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
