/**
 * The detectors of one live run and the warnings they raised, as plain state. No clock, no file, no sink (pipeline.ts).
 * The state of the detectors survives a restart in the recording: a run that goes on is warned of once.
 */
import {
  createDetectors,
  type Detection,
  type DetectorState,
  detect,
  detectStall,
  readForecast,
  restoreDetectors,
  saveDetectors,
} from '../alerts/detect.ts';
import type { StepForecast } from '../src/telemetry/answer.ts';
import type { StepReport } from '../src/telemetry/report.ts';
import type { RunHeader } from '../src/telemetry/sample.ts';
import type { Warning, WarningRecord } from '../src/telemetry/warning.ts';

/** What is asked of the detectors. */
export interface Detectors {
  create: (header: RunHeader) => DetectorState;
  detect: typeof detect;
  detectStall: typeof detectStall;
}

export const DETECTORS: Detectors = { create: (header) => createDetectors(header), detect, detectStall };

/** Longest time that the recorded state of the detectors is behind, ms. */
const SAVED_EVERY = 5000;

export interface WatchState {
  detectors: DetectorState;
  /** All of the run, oldest first. */
  warnings: WarningRecord[];
  /** Changed since the last commit. */
  unsaved: Set<WarningRecord>;
  /** Time of the last report whose state was recorded. */
  savedAt: number;
}

/** What became of a warning. */
export type WarningChange = 'raised' | 'cleared' | 'acknowledged';

export interface Change {
  what: WarningChange;
  record: WarningRecord;
}

/** What a recording keeps of an earlier process. */
export interface RecordedWatch {
  warnings: WarningRecord[];
  /** As `saveDetectors` wrote it; null: none. */
  state: string | null;
}

/** @param now ms since 1970 */
export function createWatch(detectors: Detectors, header: RunHeader, recorded: RecordedWatch | null, now: number): WatchState {
  const restored = recorded?.state == null ? null : restoreDetectors(header, recorded.state);
  const watch: WatchState = {
    detectors: restored ?? detectors.create(header),
    warnings: recorded?.warnings ?? [],
    unsaved: new Set(),
    savedAt: Number.NEGATIVE_INFINITY,
  };
  // What nobody remembers cannot be said to hold.
  if (restored === null) for (const record of watch.warnings) if (record.clearedTime === null) end(watch, record, null, now);
  return watch;
}

/** Takes the next report in; a step back begins anew. @throws what a detector throws */
export function inspectReport(detectors: Detectors, header: RunHeader, watch: WatchState, report: StepReport): Change[] {
  const ended: Change[] = [];
  if (report.step <= watch.detectors.step) {
    for (const record of watch.warnings) if (record.clearedTime === null) ended.push(end(watch, record, null, report.time));
    watch.detectors = detectors.create(header);
  }
  const detection = detectors.detect(header, watch.detectors, report);
  return [...ended, ...note(watch, detection, report.step, report.time)];
}

/** Asks whether the run has stalled. @param now ms since 1970 */
export function inspectClock(detectors: Detectors, header: RunHeader, watch: WatchState, now: number): Change[] {
  return note(watch, detectors.detectStall(header, watch.detectors, now), null, now);
}

function note(watch: WatchState, { raised, cleared }: Detection, step: number | null, time: number): Change[] {
  const ended = cleared.flatMap((warning) => {
    const record = watch.warnings.find((candidate) => candidate.clearedTime === null && isSame(candidate.warning, warning));
    return record === undefined ? [] : [end(watch, record, step, time)];
  });
  const begun = raised.map((warning): Change => {
    const record: WarningRecord = { id: watch.warnings.length, warning, clearedStep: null, clearedTime: null, acknowledgedTime: null };
    watch.warnings.push(record);
    watch.unsaved.add(record);
    return { what: 'raised', record };
  });
  return [...ended, ...begun];
}

function end(watch: WatchState, record: WarningRecord, step: number | null, time: number): Change {
  record.clearedStep = step;
  record.clearedTime = time;
  watch.unsaved.add(record);
  return { what: 'cleared', record };
}

/**
 * The forecast that a recorded state of the detectors has of a step: the state may be some steps older.
 * @returns none where the state is of another model, or of a later step
 */
export function recordedForecast(header: RunHeader, state: string | null, step: number): StepForecast[] {
  const saved = state === null ? null : readForecast(header, state);
  if (saved === null || saved.step > step) return [];
  const left = (steps: number) => Math.max(0, steps - (step - saved.step));
  return saved.forecast.map(({ threshold, steps, interval: [low, high] }) => ({
    threshold,
    steps: left(steps),
    interval: [left(low), left(high)],
  }));
}

/** Somebody knows of the warning; the first time stays. @returns whether that is news */
export function acknowledgeWarning(watch: WatchState, record: WarningRecord, now: number): boolean {
  if (record.acknowledgedTime !== null) return false;
  record.acknowledgedTime = now;
  watch.unsaved.add(record);
  return true;
}

const isSame = (a: Warning, b: Warning) =>
  a.rule === b.rule && a.severity === b.severity && a.threshold === b.threshold && a.step === b.step;

/** The state of the detectors where it should be recorded again, else null. @param time of the newest report; Infinity: in any case */
export function stateToSave(watch: WatchState, time: number): string | null {
  return watch.unsaved.size > 0 || time - watch.savedAt >= SAVED_EVERY ? saveDetectors(watch.detectors) : null;
}

/** After a commit. */
export function markSaved(watch: WatchState, state: string | null, time: number): void {
  watch.unsaved.clear();
  if (state !== null) watch.savedAt = time;
}
