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
  moveDetectors,
  type Refusal,
  readForecast,
  restoreDetectors,
  saveDetectors,
} from '../../alerts/detect.ts';
import type { StepForecast } from '../../src/telemetry/answer.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { Warning, WarningRecord } from '../../src/telemetry/warning.ts';

/** What is asked of the detectors. */
export const DETECTORS = { create: (header: RunHeader) => createDetectors(header), detect, detectStall, move: moveDetectors };
export type Detectors = typeof DETECTORS;

/** Longest time that the recorded state of the detectors is behind. Our choice: it has some 10 kB at 64 connections, as much as a step. */
const SAVE_INTERVAL_MS = 5000;

export interface DetectionState {
  detectors: DetectorState;
  /** All of the run, oldest first. */
  warnings: WarningRecord[];
  /** Changed since the last commit. */
  unsaved: Set<WarningRecord>;
  /** Time of the last report whose state was recorded, ms since 1970. */
  savedAt: number;
}

/** What became of a warning. */
export type WarningChange = 'raised' | 'cleared' | 'acknowledged';

export interface ChangedWarning {
  what: WarningChange;
  record: WarningRecord;
}

/**
 * Goes on from what is recorded. Detectors whose state cannot be restored begin anew, and the warnings that held end.
 * @param recorded what a recording keeps of an earlier process, its state as `saveDetectors` wrote it; null: nothing
 * @param now ms since 1970
 * @param onRefusal gets why a recorded state cannot be resumed
 */
export function createDetectionState(
  detectors: Detectors,
  header: RunHeader,
  recorded: (Pick<DetectionState, 'warnings'> & { state: string | null }) | null,
  now: number,
  onRefusal: (why: Refusal) => void,
): DetectionState {
  const restored = recorded?.state == null ? null : restoreDetectors(header, recorded.state, onRefusal);
  const detection: DetectionState = {
    detectors: restored ?? detectors.create(header),
    warnings: recorded?.warnings ?? [],
    unsaved: new Set(),
    savedAt: Number.NEGATIVE_INFINITY,
  };
  // Detectors that begin anew know of no warning that holds.
  if (restored === null) clearActive(detection, now);
  return detection;
}

/** Passes the next report to the detectors; a step back begins them anew. @throws what a detector throws */
export function detectReport(detectors: Detectors, header: RunHeader, detection: DetectionState, report: StepReport): ChangedWarning[] {
  const cleared: ChangedWarning[] = [];
  if (report.step <= detection.detectors.step) {
    cleared.push(...clearActive(detection, report.time));
    detection.detectors = detectors.create(header);
  }
  const found = detectors.detect(header, detection.detectors, report);
  return [...cleared, ...noteDetection(detection, found, report.step, report.time)];
}

/** Has the run stalled, or does it go on again? @param now ms since 1970 */
export function detectStallAt(detectors: Detectors, header: RunHeader, detection: DetectionState, now: number): ChangedWarning[] {
  return noteDetection(detection, detectors.detectStall(header, detection.detectors, now), null, now);
}

function noteDetection(detection: DetectionState, found: Detection, step: number | null, time: number): ChangedWarning[] {
  const cleared = found.cleared.flatMap((warning) => {
    const record = detection.warnings.find((candidate) => candidate.clearedTime === null && isSame(candidate.warning, warning));
    return record === undefined ? [] : [clear(detection, record, step, time)];
  });
  const raised = found.raised.map((warning): ChangedWarning => {
    const record: WarningRecord = { id: detection.warnings.length, warning, clearedStep: null, clearedTime: null, acknowledgedTime: null };
    detection.warnings.push(record);
    detection.unsaved.add(record);
    return { what: 'raised', record };
  });
  return [...cleared, ...raised];
}

const isSame = (a: Warning, b: Warning) =>
  a.rule === b.rule && a.severity === b.severity && a.threshold === b.threshold && a.step === b.step;

function clear(detection: DetectionState, record: WarningRecord, step: number | null, time: number): ChangedWarning {
  record.clearedStep = step;
  record.clearedTime = time;
  detection.unsaved.add(record);
  return { what: 'cleared', record };
}

/** Without a step at which they ended. */
const clearActive = (detection: DetectionState, time: number): ChangedWarning[] =>
  detection.warnings.filter(({ clearedTime }) => clearedTime === null).map((record) => clear(detection, record, null, time));

/** Somebody knows of the warning; the first time stays. @param now ms since 1970. @returns whether that is news */
export function acknowledgeWarning(detection: DetectionState, record: WarningRecord, now: number): boolean {
  if (record.acknowledgedTime !== null) return false;
  record.acknowledgedTime = now;
  detection.unsaved.add(record);
  return true;
}

/** The state of the detectors where it should be recorded again, else null. @param time of the newest report; Infinity: in any case */
export function stateToSave(detection: DetectionState, time: number): string | null {
  return detection.unsaved.size > 0 || time - detection.savedAt >= SAVE_INTERVAL_MS ? saveDetectors(detection.detectors) : null;
}

/** After a commit. @param state that was recorded; null: none. @param time of the newest report */
export function markSaved(detection: DetectionState, state: string | null, time: number): void {
  detection.unsaved.clear();
  if (state !== null) detection.savedAt = time;
}

/**
 * The forecast that a recorded state of the detectors has of a step: the state may be some steps older.
 * @returns none where the state is of another model, of an unknown version, or of a later step
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
