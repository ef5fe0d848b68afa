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
  restoreDetectors,
  saveDetectors,
} from '../../alerts/detect.ts';
import type { StepForecast } from '../../src/telemetry/answer.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { Warning, WarningRecord } from '../../src/telemetry/warning.ts';

/** What is asked of the detectors. */
export interface Detectors {
  create: (header: RunHeader) => DetectorState;
  detect: typeof detect;
  detectStall: typeof detectStall;
}

export const DETECTORS: Detectors = { create: (header) => createDetectors(header), detect, detectStall };

/** Longest time that the recorded state of the detectors is behind, ms. */
const SAVE_INTERVAL_MS = 5000;

export interface DetectionState {
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
export interface RecordedDetection {
  warnings: WarningRecord[];
  /** As `saveDetectors` wrote it; null: none. */
  state: string | null;
}

/** @param now ms since 1970 */
export function createDetectionState(
  detectors: Detectors,
  header: RunHeader,
  recorded: RecordedDetection | null,
  now: number,
): DetectionState {
  const restored = recorded?.state == null ? null : restoreDetectors(header, recorded.state);
  const detection: DetectionState = {
    detectors: restored ?? detectors.create(header),
    warnings: recorded?.warnings ?? [],
    unsaved: new Set(),
    savedAt: Number.NEGATIVE_INFINITY,
  };
  // What nobody remembers cannot be said to hold.
  if (restored === null) for (const record of detection.warnings) if (record.clearedTime === null) end(detection, record, null, now);
  return detection;
}

/** Takes the next report in; a step back begins anew. @throws what a detector throws */
export function inspectReport(detectors: Detectors, header: RunHeader, detection: DetectionState, report: StepReport): Change[] {
  const ended: Change[] = [];
  if (report.step <= detection.detectors.step) {
    for (const record of detection.warnings) if (record.clearedTime === null) ended.push(end(detection, record, null, report.time));
    detection.detectors = detectors.create(header);
  }
  const found = detectors.detect(header, detection.detectors, report);
  return [...ended, ...note(detection, found, report.step, report.time)];
}

/** Asks whether the run has stalled. @param now ms since 1970 */
export function inspectClock(detectors: Detectors, header: RunHeader, detection: DetectionState, now: number): Change[] {
  return note(detection, detectors.detectStall(header, detection.detectors, now), null, now);
}

function note(detection: DetectionState, { raised, cleared }: Detection, step: number | null, time: number): Change[] {
  const ended = cleared.flatMap((warning) => {
    const record = detection.warnings.find((candidate) => candidate.clearedTime === null && isSame(candidate.warning, warning));
    return record === undefined ? [] : [end(detection, record, step, time)];
  });
  const begun = raised.map((warning): Change => {
    const record: WarningRecord = { id: detection.warnings.length, warning, clearedStep: null, clearedTime: null, acknowledgedTime: null };
    detection.warnings.push(record);
    detection.unsaved.add(record);
    return { what: 'raised', record };
  });
  return [...ended, ...begun];
}

function end(detection: DetectionState, record: WarningRecord, step: number | null, time: number): Change {
  record.clearedStep = step;
  record.clearedTime = time;
  detection.unsaved.add(record);
  return { what: 'cleared', record };
}

/**
 * The forecast that a recorded state of the detectors has of a step: the state may be some steps older.
 * @returns none where the state is of another model or version, or of a later step
 */
export function recordedForecast(header: RunHeader, state: string | null, step: number): StepForecast[] {
  const restored = state === null ? null : restoreDetectors(header, state);
  if (restored === null || restored.step > step) return [];
  const left = (steps: number) => Math.max(0, steps - (step - restored.step));
  return restored.forecast.map(({ threshold, steps, interval: [low, high] }) => ({
    threshold,
    steps: left(steps),
    interval: [left(low), left(high)],
  }));
}

/** Somebody knows of the warning; the first time stays. @returns whether that is news */
export function acknowledgeWarning(detection: DetectionState, record: WarningRecord, now: number): boolean {
  if (record.acknowledgedTime !== null) return false;
  record.acknowledgedTime = now;
  detection.unsaved.add(record);
  return true;
}

const isSame = (a: Warning, b: Warning) =>
  a.rule === b.rule && a.severity === b.severity && a.threshold === b.threshold && a.step === b.step;

/** The state of the detectors where it should be recorded again, else null. @param time of the newest report; Infinity: in any case */
export function stateToSave(detection: DetectionState, time: number): string | null {
  return detection.unsaved.size > 0 || time - detection.savedAt >= SAVE_INTERVAL_MS ? saveDetectors(detection.detectors) : null;
}

/** After a commit. */
export function markSaved(detection: DetectionState, state: string | null, time: number): void {
  detection.unsaved.clear();
  if (state !== null) detection.savedAt = time;
}
