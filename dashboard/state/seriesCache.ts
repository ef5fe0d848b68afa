/**
 * The series of a run that the page has asked for, kept while steps come: one cache for charts, courses and surroundings. What was
 * there stays until the new is. Draws nothing.
 */
import type { RunDetail, StepAnswer } from '../../src/telemetry/api.ts';
import { RUN_SCALARS, type RunScalar } from '../../src/telemetry/catalogue.ts';
import type { WireNumber } from '../../src/telemetry/wire.ts';
import { appendStep, type Bands, bandsOf, halve, mergeStep } from '../model/bands.ts';
import { fault, reportFault, retryLater } from './fault.ts';
import { redraw } from './redraw.ts';
import { askSeries, type Range, RequestError } from './requests.ts';
import { shownRange, view } from './viewState.ts';

/** A chart draws all connections over the shown steps, a course one connection over them; around: the steps around a warning. */
export interface Wanted {
  kind: 'chart' | 'course' | 'around';
  measure: string;
  /** null: all, or a scalar of the run. */
  connection: string | null;
  /** null: the shown steps. */
  range: Range | null;
}

/**
 * Points asked for: about one for two pixels of what is drawn. A series that has grown beyond `max` is asked for anew where it is looked
 * at, so that its points are the server's; without `max`, steps go into the last point and it is halved when it is twice as long.
 * Courses wait a little: charts go first, and who leafs through connections or zooms asks only for the last.
 */
const MANNERS: Record<Wanted['kind'], { points: number; max?: number; delayMs: number }> = {
  chart: { points: 400, max: 600, delayMs: 0 },
  course: { points: 40, delayMs: 250 },
  around: { points: 160, delayMs: 0 },
};

export interface Loaded {
  wanted: Wanted;
  /** The range that it was asked for, as text; '': it is to be asked for again. */
  asked: string;
  /** The last step that belongs to it; null: goes on with the newest. */
  to: number | null;
  bands: Bands | null;
  loading: boolean;
  /** Steps that came while it was loaded. */
  early: StepAnswer[];
  /** Why it could not be loaded. */
  failed: string | null;
}

export interface SeriesOwner {
  detail: RunDetail;
  series: Map<string, Loaded>;
}

const rangeOf = ({ range }: Wanted, { detail }: SeriesOwner): Range => range ?? shownRange(view.value, detail.lastStep);

function rangeKey({ range }: Wanted): string {
  const { from, to, follow } = view.value;
  return range === null ? `${from} ${to} ${from !== null && follow}` : `${range.from} ${range.to}`;
}

/** What is looked at together. */
const groupOf = ({ kind, connection, range }: Wanted): string => JSON.stringify(kind === 'course' ? connection : range);

/** As it is there; asks for what is not, which then comes with a redraw. Of courses and surroundings only one group is kept. */
export function loadedOf(owner: SeriesOwner, wanted: Wanted): Loaded {
  const { series } = owner;
  const key = JSON.stringify(wanted);
  let entry = series.get(key);
  if (entry === undefined) {
    for (const [other, { wanted: before }] of series)
      if (before.kind === wanted.kind && groupOf(before) !== groupOf(wanted)) series.delete(other);
    entry = { wanted, asked: '', to: null, bands: null, loading: false, early: [], failed: null };
    series.set(key, entry);
  }
  if (entry.asked !== rangeKey(wanted) && !entry.loading) void load(owner, key, entry);
  return entry;
}

/** What is shown stays until the new is there. */
export function forgetSeries({ series }: SeriesOwner): void {
  for (const entry of series.values()) entry.asked = '';
}

async function load(owner: SeriesOwner, key: string, entry: Loaded): Promise<void> {
  const { wanted } = entry;
  const { points, delayMs } = MANNERS[wanted.kind];
  const { run } = owner.detail;
  Object.assign(entry, { loading: true, early: [] });
  /** Nobody looks at it any more, or its run was deleted. */
  const isGivenUp = () => owner.series.get(key) !== entry;
  if (delayMs > 0) {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (isGivenUp()) return;
  }
  entry.asked = rangeKey(wanted);
  const range = rangeOf(wanted, owner);
  try {
    const answer = await askSeries(run, wanted.measure, points, range, wanted.connection);
    if (isGivenUp()) return;
    entry.bands = bandsOf(answer);
    entry.to = range.to;
    for (const step of entry.early) append(owner, entry, step);
    entry.failed = null;
    if (wanted.kind === 'chart') fault.value = null;
  } catch (error) {
    if (isGivenUp()) return;
    const forget = () => {
      entry.asked = '';
    };
    entry.failed = (error as Error).message;
    if (wanted.kind === 'chart') reportFault(run, error, forget);
    // What the server refuses would be refused again.
    else if (!(error instanceof RequestError) || error.status >= 500) retryLater(forget);
  }
  Object.assign(entry, { loading: false, early: [] });
  redraw();
}

/** Adds a step, which must be newer than those before, to all that was loaded. */
export function addToSeries(owner: SeriesOwner, step: StepAnswer): void {
  for (const entry of owner.series.values()) {
    const { max = Number.POSITIVE_INFINITY } = MANNERS[entry.wanted.kind];
    if (entry.loading) entry.early.push(step);
    else if (entry.bands === null || entry.asked === '' || !isWithin(entry, step)) continue;
    else if (entry.bands.steps.length < max) append(owner, entry, step);
    // Enough points: no further ones, and asked for anew, reduced, when somebody looks.
    else entry.asked = '';
  }
}

const isWithin = ({ to }: Loaded, { step }: StepAnswer): boolean => to === null || step <= to;

function append({ detail }: SeriesOwner, entry: Loaded, step: StepAnswer): void {
  const { wanted, bands } = entry;
  const values = valuesOf(step, wanted, detail);
  if (bands === null || values === undefined || !isWithin(entry, step)) return;
  if (values.length !== bands.bands.length) {
    entry.asked = ''; // of other connections than the run has by now
    return;
  }
  const { points, max } = MANNERS[wanted.kind];
  if (max !== undefined) appendStep(bands, step.step, step.time, values);
  else {
    mergeStep(bands, step.step, step.time, values);
    if (bands.steps.length > 2 * points) halve(bands);
  }
}

const isScalar = (measure: string): measure is RunScalar => RUN_SCALARS.some((scalar) => scalar === measure);

/** In the order of the bands; undefined: the step has none. */
function valuesOf(step: StepAnswer, { measure, connection }: Wanted, { connections }: RunDetail): (WireNumber | null)[] | undefined {
  if (isScalar(measure)) return [step[measure]];
  const values = step.measures[measure];
  if (connection === null || values === undefined) return values;
  const value = values[connections.findIndex(({ name }) => name === connection)];
  return value === undefined ? undefined : [value];
}
