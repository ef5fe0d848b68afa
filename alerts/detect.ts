/**
 * All detectors of a run: each report goes in once, warnings come out. Deterministic, without clock, file or device: the
 * state is plain data.
 */

import { indexOf } from '../src/telemetry/listing.ts';
import type { StepReport } from '../src/telemetry/report.ts';
import { type Bound, boundOf, type ConnectionInfo, type RunHeader } from '../src/telemetry/sample.ts';
import type { Warning } from '../src/telemetry/warning.ts';
import type { Detector, Finding, Found } from './detector.ts';
import { DETECTORS } from './detectors/list.ts';
import { judgeClock, MIN_SECONDS, stalled, stallThreshold } from './detectors/stall.ts';
import { createLatch, type LatchState, updateLatch } from './latch.ts';
import { isBounded } from './limits.ts';
import { messageOf } from './messages.ts';
import { createShared, type GainForecast, gainForecasts, moveShared, type SharedState, updateShared } from './shared.ts';

/** Of the state's form: one of another version is not restored. */
const VERSION = 5;
/** Versions since which the step and the forecast stand where they do. */
const MIN_FORECAST_VERSION = 4;

export interface DetectorState {
  version: number;
  /** Streams and connections of the run, for the check at a restart. */
  model: string;
  /** Above 1 warns of the gain earlier and more often, below 1 later. */
  sensitivity: number;
  /** Of the last report; 0 before the first. */
  step: number;
  /** Warnings that hold at the moment. */
  active: Warning[];
  /** Steps until the composite gain reaches a threshold, by threshold; Infinity where none is near. */
  forecast: GainForecast[];
  shared: SharedState;
  /** Of each detector, by its key (a rule, or a rule and a limit). */
  detectors: Record<string, unknown>;
  latches: Record<string, LatchState>;
}

/** What changed with one report. */
export interface Detection {
  raised: Warning[];
  cleared: Warning[];
}

/** Why a state was not restored: it is none, or of another version of gainwatch, or of another model. */
export type Refusal = 'damaged' | 'version' | 'model';

/** A state says nothing of a model of other streams, or without connections that it knows. */
const modelOf = ({ streams, connections }: RunHeader): string =>
  JSON.stringify([streams, ...connections.map((one) => [one.name, one.kind, one.convention, boundOf(one)])]);

/** A connection in the text of a model; before there were bounds, without one. */
type ModelRow = [ConnectionInfo['name'], ConnectionInfo['kind'], ConnectionInfo['convention'], Bound?];

/**
 * The header of the model that a state is of, where the run has all of its connections, of the same kind or of one that is known by now;
 * null: it is another model.
 */
function knownHeader(header: RunHeader, model: string): RunHeader | null {
  if (model === modelOf(header)) return header;
  try {
    const [streams, ...rows] = JSON.parse(model) as [number, ...ModelRow[]];
    const connections = rows.map(([name, kind, convention, bounded = null]) => ({ name, kind, convention, bounded }));
    const isPart = connections.every(({ name, kind }) => {
      const now = header.connections[indexOf(header.connections).get(name) ?? -1]?.kind;
      return kind === 'own' ? now !== undefined : now === kind;
    });
    return isPart && (streams === header.streams || rows.length === 0) ? { ...header, streams, connections } : null;
  } catch {
    return null;
  }
}

const keyOf = ({ rule, limit }: Detector): string => (limit === undefined ? rule : `${rule}: ${limit}`);

/** A state's own type is known by its detector alone, which created it. */
const stateOf = <State>({ detectors }: DetectorState, detector: Detector<State>): State => detectors[keyOf(detector)] as State;

const byKey = <T>(of: (detector: Detector) => T): Record<string, T> => Object.fromEntries(DETECTORS.map((each) => [keyOf(each), of(each)]));

/** The state before the first report. @throws RangeError where the sensitivity is not above 0 */
export function createDetectors(header: RunHeader, { sensitivity = 1 }: { sensitivity?: number } = {}): DetectorState {
  if (!(sensitivity > 0 && sensitivity < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`sensitivity must be a finite number above 0: ${sensitivity}`);
  }
  return {
    version: VERSION,
    model: modelOf(header),
    sensitivity,
    step: 0,
    active: [],
    forecast: [],
    shared: createShared(header),
    detectors: byKey((detector) => detector.create?.(header) ?? null),
    latches: byKey(createLatch),
  };
}

/** The run has more connections by now, or other kinds of them: what is known of each goes with its name. Changes `state`. */
export function moveDetectors(before: RunHeader, after: RunHeader, state: DetectorState): void {
  moveShared(state.shared, before, after);
  for (const detector of DETECTORS) detector.move?.(stateOf(state, detector), before, after);
  state.model = modelOf(after);
}

/** Takes the next report in, in order. Changes `state`. */
export function detect(header: RunHeader, state: DetectorState, report: StepReport): Detection {
  const { shared, sensitivity } = state;
  updateShared(shared, header, report);
  const view = { header, report, shared, sensitivity };
  // All take it in before the first judges: one that throws blinds no other.
  for (const detector of DETECTORS) detector.update?.(stateOf(state, detector), view);
  const findings = DETECTORS.map((detector): Judged => [detector, detector.judge(stateOf(state, detector), view)]);
  state.step = report.step;
  state.forecast = gainForecasts(header, shared, report);
  return latchAll(state, findings);
}

/** The one detector that needs a clock: has the run made no step for long? @param now milliseconds since 1970 */
export function detectStall(header: RunHeader, state: DetectorState, now: number): Detection {
  return latchAll(state, [[stalled, judgeClock(stateOf(state, stalled), header, now)]]);
}

/** Seconds without a report from which on a run stands still; null: of one that has no detectors yet. */
export const stallSeconds = (state: DetectorState | null): number =>
  state === null ? MIN_SECONDS : stallThreshold(stateOf(state, stalled));

type Judged = [detector: Detector, finding: Finding];

function latchAll(state: DetectorState, findings: Judged[]): Detection {
  const detection: Detection = { raised: [], cleared: [] };
  for (const [detector, finding] of findings) {
    const { rule, patience } = detector;
    const raise = (found: Found): Warning => ({ ...found, rule, runbook: `runbook.md#${rule}`, message: messageOf(found) });
    const latch = state.latches[keyOf(detector)];
    const changed = updateLatch(latch, finding, state.step, patience, raise);
    if (changed !== null) detection[latch.active === null ? 'cleared' : 'raised'].push(changed);
  }
  if (detection.raised.length + detection.cleared.length > 0) {
    state.active = Object.values(state.latches).flatMap(({ active }) => active ?? []);
  }
  return detection;
}

/** For a file: the state as text. NaN and ±Infinity, which JSON lacks, become `{"number": "NaN"}`. */
export function saveDetectors(state: DetectorState): string {
  return JSON.stringify(state, (_key, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? { number: String(value) } : value,
  );
}

/**
 * The state of an earlier process. @param onRefusal called with the reason where there is none
 * @returns null where the text is no state for this run
 */
export function restoreDetectors(header: RunHeader, text: string, onRefusal: (why: Refusal) => void = () => {}): DetectorState | null {
  const state = parseState(text);
  const known = state?.version === VERSION ? knownHeader(header, state.model) : null;
  if (state !== null && known !== null) {
    if (known !== header) moveDetectors(known, header, state);
    // The time between two processes is no standstill.
    stateOf(state, stalled).time = 0;
    return state;
  }
  onRefusal(state?.version === undefined ? 'damaged' : state.version === VERSION ? 'model' : 'version');
  return null;
}

/**
 * The step and the forecast of a saved state, which an older version had under the same names.
 * @returns null where the text has none for this run
 */
export function readForecast(header: RunHeader, text: string): Pick<DetectorState, 'step' | 'forecast'> | null {
  const state = parseState(text);
  const isKnown = state !== null && state.version >= MIN_FORECAST_VERSION && state.version <= VERSION;
  const known = isKnown ? knownHeader(header, state.model) : null;
  return known !== null && isBounded(known) === isBounded(header) ? state : null;
}

/** @returns null where it is no JSON */
function parseState(text: string): DetectorState | null {
  try {
    return JSON.parse(text, (_key, value: unknown) =>
      typeof value === 'object' && value !== null && 'number' in value ? Number(value.number) : value,
    ) as DetectorState | null;
  } catch {
    return null;
  }
}
