/**
 * Short series of all measures of one connection: a few points each, asked for that connection alone, so that many connections
 * cost no more than few. Keeps one connection at a time; draws nothing.
 */
import { AskError, askSeries } from './api.ts';
import { redraw } from './redraw.ts';
import { appendStep, type Bands, bandsOf, halve, isGap, pointWidth } from './series.ts';
import { dataOf } from './store.ts';
import { shownRange, view } from './viewState.ts';

/** Points asked for; beyond twice as many they are halved. */
const POINTS = 40;
/** Before asking, ms. */
const PATIENCE = 250;
/** Before the same is asked for again, ms: steps are missing, or it could not be loaded. */
const AGAIN_AFTER = 5000;

interface Kept {
  /** Run, attempt, connection and range, as text. */
  asked: string;
  /** While the same is asked for again: as they were. */
  bands: Map<string, Bands>;
  loading: boolean;
  /** Of `performance.now()`: when it was loaded. */
  at: number;
  /** Is something missing, so that it is to be asked for again? */
  incomplete: boolean;
}

const entryFor = (asked: string, bands = new Map<string, Bands>()): Kept => ({ asked, bands, loading: true, at: 0, incomplete: false });

let kept: Kept = { ...entryFor(''), loading: false };

/** By measure; what is not there yet comes with a later redraw. */
export function sparksOf(run: string, connection: string, measures: readonly string[]): ReadonlyMap<string, Bands> {
  const known = dataOf(run);
  if (known === null) return new Map();
  const { from, to, follow } = view.value;
  const asked = JSON.stringify([run, known.detail.attempt, connection, from, to, from !== null && follow]);
  const again = kept.incomplete && !kept.loading && performance.now() - kept.at >= AGAIN_AFTER;
  if (kept.asked !== asked || again) {
    kept = entryFor(asked, kept.asked === asked ? kept.bands : undefined);
    void load(kept, run, connection, measures);
  }
  const { latest, detail } = known;
  const open = shownRange(view.value, detail.lastStep).to === null;
  if (kept.loading || latest === null || !open) return kept.bands;
  const place = detail.connections.findIndex(({ name }) => name === connection);
  for (const [measure, bands] of kept.bands) {
    const value = latest.measures[measure]?.[place];
    if (value === undefined) continue;
    // Only the newest step is at hand: nothing was drawn for a while (hidden, scrolled out), or steps come faster than redraws.
    const last = bands.steps.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (isGap(latest.step - last, pointWidth(bands.steps, bands.bucket))) kept.incomplete = true;
    appendStep(bands, latest.step, latest.time, [value]);
    if (bands.steps.length > 2 * POINTS) halve(bands);
  }
  return kept.bands;
}

/** Starts a little later: charts go first, and who leafs through connections or zooms asks only for the last. */
async function load(entry: Kept, run: string, connection: string, measures: readonly string[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, PATIENCE));
  if (entry !== kept) return;
  const range = shownRange(view.value, dataOf(run)?.detail.lastStep ?? null);
  const loaded = new Map(entry.bands);
  await Promise.all(
    measures.map(async (measure) => {
      try {
        loaded.set(measure, bandsOf(await askSeries(run, measure, POINTS, range, [connection])));
      } catch (error) {
        // The connection was lost, which the page says elsewhere. What the server refuses would be refused again.
        if (!(error instanceof AskError && error.status < 500)) entry.incomplete = true;
      }
    }),
  );
  Object.assign(entry, { bands: loaded, loading: false, at: performance.now() });
  if (entry !== kept) return;
  redraw();
  if (entry.incomplete) setTimeout(redraw, AGAIN_AFTER);
}
