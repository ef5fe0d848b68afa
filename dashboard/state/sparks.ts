/**
 * Short series of all measures of one connection: a few points each, asked for that connection alone, so that many connections
 * cost no more than few. Keeps one connection at a time; draws nothing.
 */
import type { StepAnswer } from '../../src/telemetry/api.ts';
import { type Bands, bandsOf, halve, mergeStep } from '../model/series.ts';
import { redraw } from './redraw.ts';
import { AskError, askSeries } from './requests.ts';
import { dataOf } from './store.ts';
import { shownRange, view } from './viewState.ts';

/** Points asked for; beyond twice as many they are halved. */
const POINTS = 40;
/** Before asking, ms. */
const PATIENCE = 250;
/** Before what could not be loaded is asked for again, ms. */
const AGAIN_AFTER = 5000;

interface Kept {
  run: string;
  /** Run, attempt, connection and range, as text. */
  asked: string;
  /** Among the connections of the run. */
  place: number;
  /** Does the range go on with the newest step? */
  open: boolean;
  bands: Map<string, Bands>;
  loading: boolean;
  /** Steps that came while it was loaded. */
  early: StepAnswer[];
}

let kept: Kept | null = null;

/** By measure; what is not there yet comes with a later redraw. */
export function sparksOf(run: string, connection: string, measures: readonly string[]): ReadonlyMap<string, Bands> {
  const known = dataOf(run);
  if (known === null) return new Map();
  const { from, to, follow } = view.value;
  const asked = JSON.stringify([run, known.detail.attempt, connection, from, to, from !== null && follow]);
  if (kept?.asked !== asked) {
    const range = shownRange(view.value, known.detail.lastStep);
    const place = known.detail.connections.findIndex(({ name }) => name === connection);
    kept = { run, asked, place, open: range.to === null, bands: new Map(), loading: true, early: [] };
    void load(kept, connection, measures);
  }
  return kept.bands;
}

/** Every step of the stream, also while nobody looks. */
export function addToSparks(step: StepAnswer): void {
  if (kept === null || kept.run !== step.run || !kept.open) return;
  if (kept.loading) kept.early.push(step);
  else append(kept, step);
}

/** After the stream was away: what is shown is asked for again. */
export function forgetSparks(): void {
  if (kept !== null) kept.asked = '';
}

function append({ bands, place }: Kept, step: StepAnswer): void {
  for (const [measure, band] of bands) {
    const value = step.measures[measure]?.[place];
    if (value === undefined) continue;
    mergeStep(band, step.step, step.time, [value]);
    if (band.steps.length > 2 * POINTS) halve(band);
  }
}

/** Starts a little later: charts go first, and who leafs through connections or zooms asks only for the last. */
async function load(entry: Kept, connection: string, measures: readonly string[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, PATIENCE));
  if (entry !== kept) return;
  const range = shownRange(view.value, dataOf(entry.run)?.detail.lastStep ?? null);
  await Promise.all(
    measures.map(async (measure) => {
      try {
        entry.bands.set(measure, bandsOf(await askSeries(entry.run, measure, POINTS, range, [connection])));
      } catch (error) {
        // The connection was lost, which the page says elsewhere. What the server refuses would be refused again.
        if (error instanceof AskError && error.status < 500) return;
        setTimeout(() => {
          entry.asked = '';
          redraw();
        }, AGAIN_AFTER);
      }
    }),
  );
  for (const step of entry.early) append(entry, step);
  Object.assign(entry, { loading: false, early: [] });
  if (entry === kept) redraw();
}
