/** The metrics of each connection: every measure of the catalogue, non-finite values, memory, and what it is. */
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { MEMORY_KINDS } from '../../src/telemetry/sample.ts';
import { type MetricDefinition, ofLayer, ofRuns } from './definition.ts';

const ofMeasure = ({ metric, help }: { metric: string; help: string }, m: number): MetricDefinition =>
  ofLayer('gauge', metric, help, ({ run, last }, l) => {
    if (last === null) return null;
    const value = last.measures[m * run.header.connections.length + l];
    // Undefined here is absent; NaN is shown where the values themselves are not finite.
    return Number.isNaN(value) && last.nonfinite[l] === 0 ? null : value;
  });

export const CONNECTION_DEFINITIONS: readonly MetricDefinition[] = [
  ...MEASURES.map(ofMeasure),
  ofLayer(
    'counter',
    'mhc_nonfinite_values_total',
    'NaN and infinite values among the sampled ones.',
    ({ nonfiniteTotal }, l) => nonfiniteTotal[l],
  ),
  ofRuns(
    'gauge',
    'mhc_layer_memory_bytes',
    'Memory of a connection; activations is what it keeps for the backward pass, branch_activations what its branch keeps.',
    ['layer', 'kind'],
    ({ run: { header }, last }) =>
      MEMORY_KINDS.flatMap((kind, k) =>
        header.connections.map(({ name: layer }, l) => {
          const bytes = last?.memory?.connections[k * header.connections.length + l];
          return [{ layer, kind }, Number.isFinite(bytes) ? bytes : null];
        }),
      ),
  ),
  ofRuns(
    'gauge',
    'mhc_layer_info',
    'What each connection is; always 1.',
    ['layer', 'kind', 'streams', 'convention', 'index'],
    ({ run: { header } }) =>
      header.connections.map(({ name: layer, kind, convention }, index) => [
        { layer, kind, streams: String(header.streams), convention: convention ?? '', index: String(index) },
        1,
      ]),
  ),
];
