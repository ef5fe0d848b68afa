/** Series for tests of what the page makes of them. */
import type { Bands } from '../../dashboard/model/bands.ts';

/** One for each connection, whose minima are its maxima; a step is a second. */
export const bandsOf = (steps: number[], rows: Record<string, (number | null)[]>, bucket = 1): Bands => ({
  steps,
  times: steps.map((step) => 1000 * step),
  bucket,
  bands: Object.entries(rows).map(([connection, max]) => ({ connection, min: [...max], max })),
});
