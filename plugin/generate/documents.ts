/** The parts of documents that are made from the code (generate.mjs writes them, a test compares), by path and name of the part. */
import { MEASURES } from '../../src/telemetry/catalogue.ts';
import { CAUSES, SEVERITIES } from '../../src/telemetry/warning.ts';
import { metricsTable, seriesCount } from '../metrics/definitions.ts';

export const DOCUMENTS: Record<string, Record<string, () => string>> = {
  'plugin/metrics/README.md': { metrics: metricsTable, series: seriesCount },
  'plugin/openapi.yaml': {
    measures: () => `      enum: [${MEASURES.map(({ key }) => key).join(', ')}]`,
    causes: () => `      enum: [${Object.keys(CAUSES).join(', ')}]`,
    severities: () => `      enum: [${SEVERITIES.join(', ')}]`,
  },
};

/**
 * A document with its parts made anew: what stands between a line with "begin generated: NAME" and the next with "end generated".
 * @throws Error naming a part that the document has not
 */
export function regenerate(text: string, parts: Record<string, () => string>): string {
  return Object.entries(parts).reduce((document, [name, make]) => {
    const part = new RegExp(`(^.*begin generated: ${name}\\b.*\\n)[^]*?(^.*end generated)`, 'm');
    if (!part.test(document)) throw new Error(`no part "begin generated: ${name}" … "end generated"`);
    return document.replace(part, (_match, begin: string, end: string) => `${begin}${make()}\n${end}`);
  }, text);
}
