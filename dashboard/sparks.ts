/**
 * Short series of all measures of one connection: a few points each, asked for that connection alone, so that many connections
 * cost no more than few. Keeps one connection at a time; draws nothing.
 */
import { askSeries } from './api.ts';
import { halve } from './connection.ts';
import { fromWire } from './format.ts';
import { redraw } from './redraw.ts';
import { appendStep, type Bands, bandsOf } from './series.ts';
import { dataOf, shownRange, view } from './store.ts';

/** Points asked for; beyond twice as many they are halved. */
const POINTS = 40;
/** Before asking, ms. */
const PATIENCE = 250;

interface Kept {
  /** Run, attempt, connection and range, as text. */
  asked: string;
  bands: Map<string, Bands>;
  loading: boolean;
}

let kept: Kept = { asked: '', bands: new Map(), loading: false };

/** By measure; what is not there yet comes with a later redraw. */
export function sparksOf(run: string, connection: string, measures: readonly string[]): ReadonlyMap<string, Bands> {
  const known = dataOf(run);
  if (known === null) return new Map();
  const { from, to, follow } = view.value;
  const asked = JSON.stringify([run, known.detail.attempt, connection, from, to, from !== null && follow]);
  if (kept.asked !== asked) {
    kept = { asked, bands: new Map(), loading: true };
    void load(kept, run, connection, measures);
  }
  const { latest, detail } = known;
  const open = shownRange(view.value, detail.lastStep).to === null;
  if (kept.loading || latest === null || !open) return kept.bands;
  const place = detail.connections.findIndex(({ name }) => name === connection);
  for (const [measure, bands] of kept.bands) {
    const value = latest.measures[measure]?.[place];
    if (value !== undefined) appendStep(bands, latest.step, latest.time, [fromWire(value)]);
    if (bands.steps.length > 2 * POINTS) halve(bands);
  }
  return kept.bands;
}

/** Starts a little later: charts go first, and who leafs through connections or zooms asks only for the last. */
async function load(entry: Kept, run: string, connection: string, measures: readonly string[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, PATIENCE));
  if (entry !== kept) return;
  const range = shownRange(view.value, dataOf(run)?.detail.lastStep ?? null);
  await Promise.all(
    measures.map(async (measure) => {
      try {
        entry.bands.set(measure, bandsOf(await askSeries(run, measure, POINTS, range, [connection])));
      } catch {
        // An older recording may not have this measure: no line then.
      }
    }),
  );
  entry.loading = false;
  if (entry === kept) redraw();
}
