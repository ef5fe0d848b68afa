/** The definitions as objects of prom-client, for one format of the exposition. */
import { Counter, Gauge, Histogram, type OpenMetricsContentType, type PrometheusContentType, Registry } from 'prom-client';
import type { MetricDefinition, ScrapeContext } from './definition.ts';
import { definitions, STEP_SECONDS } from './definitions.ts';

export type ContentType = PrometheusContentType | OpenMetricsContentType;

/**
 * A registry of its own, filled from the context at each scrape.
 * @returns it, and the histogram of the durations of steps, which is observed as steps come
 */
export function createRegistry(
  context: ScrapeContext,
  contentType: ContentType,
  rankLabel: boolean,
): { registry: Registry<ContentType>; stepSeconds: Histogram<string> } {
  const registry: Registry<ContentType> = new Registry();
  registry.setContentType(contentType);
  const registers = [registry];
  for (const definition of definitions(rankLabel)) register(definition, context, contentType, registers);
  const { labels: labelNames, ...histogram } = STEP_SECONDS;
  return { registry, stepSeconds: new Histogram({ ...histogram, labelNames, registers }) };
}

function register(
  { type, name, help, labels: labelNames, collect }: MetricDefinition,
  context: ScrapeContext,
  contentType: ContentType,
  registers: Registry<ContentType>[],
): void {
  const options = { help, labelNames, registers };
  if (type === 'gauge')
    new Gauge({
      ...options,
      name,
      collect() {
        this.reset();
        collect(context, (labels, value) => this.set(labels, value));
      },
    });
  else
    new Counter({
      ...options,
      name: contentType === Registry.OPENMETRICS_CONTENT_TYPE ? name.replace(/_total$/, '') : name,
      collect() {
        this.reset();
        collect(context, (labels, value) => this.inc(labels, value));
      },
    });
}
