/**
 * A live run's hold on its recording: opened at the start, and anew whenever it was lost (it could not be opened, or was deleted or moved
 * while it was written), with the warnings that the run has by then. What is committed when is commitQueue.ts's.
 */
import { basename, dirname } from 'node:path';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import type { Recorder } from '../recorder/loadRecorder.ts';
import type { Recording } from '../recorder/write.ts';
import type { Detectors } from './detection.ts';
import { extendRun } from './extendRun.ts';
import type { LiveRun } from './liveRun.ts';
import { emit, type SinkContext } from './sinks.ts';

/** The part of a pipeline that recordings need. */
export interface RecordContext extends SinkContext {
  /** Folder of the recordings. */
  readonly directory: string;
  /** null: nothing can be recorded. */
  readonly recorder: Recorder | null;
  /** Shall runs be recorded? Then what is not is not acknowledged. */
  readonly keeps: boolean;
  readonly detectors: Detectors;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of a clock that never jumps. */
  readonly monotonic: () => number;
  /** Gets what the user should know. */
  readonly onProblem: (message: string) => void;
}

/**
 * Opens the recording as a run begins.
 * @param attempt that this run has in it already; null: none
 * @returns null where nothing shall be recorded, an Error where it cannot be
 */
export function openFirst(
  context: RecordContext,
  run: Pick<LiveRun, 'header' | 'owner' | 'startedAt'>,
  attempt: number | null = null,
): Recording | Error | null {
  const { recorder, keeps, directory } = context;
  if (!keeps) return null;
  if (recorder === null) return new Error('SQLite could not be loaded (see the log)');
  try {
    return recorder.openRecording(directory, run.header, run.startedAt, run.owner, attempt);
  } catch (error) {
    return error as Error;
  }
}

/** The recording of a run, opened where it is not. @throws Error where it cannot be */
export function reopen(context: RecordContext, run: LiveRun): Recording {
  if (run.recording !== null) return run.recording;
  const opened = openFirst(context, run, run.recordedAttempt);
  if (opened === null || opened instanceof Error) throw opened ?? new Error('nothing shall be recorded');
  extendRun(context, run, opened.listing.header);
  run.selfTest ??= opened.selfTest;
  adoptWarnings(run, opened, context.now());
  run.recording = opened;
  run.attempt = opened.attempt;
  run.recordedAttempt = opened.attempt;
  run.newestStep = Math.max(run.newestStep, opened.lastStep ?? Number.NEGATIVE_INFINITY);
  emit(context, run, (sink) => sink.onOpen?.(run));
  return opened;
}

/** Looks whether the recording lies where it was opened: what is stored in one that was taken away is not. */
export function noticeLoss(context: RecordContext, run: LiveRun): void {
  if (run.recording !== null && !context.recorder!.isInPlace(run.recording)) noteLost(context, run);
}

/** The file, or its log, does not lie there any more. */
export function noteLost(context: RecordContext, run: LiveRun): void {
  run.losses++;
  run.errors++;
  context.onProblem(`${run.header.run}.sqlite was deleted or moved (or emptied, or its log was) while it was written: a new one is begun`);
  letGo(context, run, true);
}

/** Closes the file as it is: it is opened anew before the next commit. */
function letGo(context: RecordContext, run: LiveRun, isLost = false): void {
  const { recording } = run;
  run.recording = null;
  try {
    if (recording !== null) context.recorder?.[isLost ? 'abandonLost' : 'abandonRecording'](recording);
  } catch {
    // It is of no use any more.
  }
}

/** What the run has raised goes into the file; what the file has and the run does not know comes before it. */
function adoptWarnings({ detection }: LiveRun, { warnings: rows }: Recording, now: number): void {
  const recorded = [...rows];
  const known = detection.warnings;
  const isBeginning = recorded.every(([{ warning }], i) => known[i] !== undefined && isSame(warning, known[i].warning));
  rows.clear();
  if (isBeginning) recorded.forEach(([, row], i) => void rows.set(known[i], row));
  else {
    for (const [record, row] of recorded) {
      record.clearedTime ??= now; // the detectors of this run know of none
      rows.set(record, row);
    }
    const before = recorded.map(([record]) => record);
    detection.warnings = [...before, ...known.map((record, i) => Object.assign(record, { id: before.length + i }))];
  }
  for (const record of detection.warnings) detection.unsaved.add(record);
  detection.savedAt = Number.NEGATIVE_INFINITY;
}

const isSame = (a: WarningRecord['warning'], b: WarningRecord['warning']): boolean =>
  a.rule === b.rule && a.step === b.step && a.time === b.time;

/** After which it is said again that a recording refuses. Our choice: one that flaps does not fill the log. */
const SAY_AGAIN_MS = 3_600_000;

/** Notes why the recording refuses, and says it. */
export function noteRefusal(context: RecordContext, run: LiveRun, error: Error): void {
  const { directory } = context;
  const { run: name } = run.header;
  const path = `${directory}/`;
  // Answers repeat it: without the folder.
  const problem = error.message.replaceAll(path, '').replaceAll(dirname(path), basename(directory));
  run.errors++;
  letGo(context, run); // after a lock libsql's statements stay busy, so that nothing more can be committed
  run.recordingProblem = problem;
  // Once an hour, as long as it lasts and when it comes back: a disk that is full again tonight was full last night too.
  context.warnOnce(
    `record ${name} ${problem} ${Math.floor(context.monotonic() / SAY_AGAIN_MS)}`,
    `${name}.sqlite in ${directory} could not be written, trying again: ${problem}. Its steps are shown and wait meanwhile; what to do is ` +
      'in alerts/runbook.md#mhcrecordingfailing',
  );
}

/** Says that what waited is recorded, where it was not. */
export function noteSuccess(context: RecordContext, run: LiveRun): void {
  if (run.recordingProblem === null) return;
  run.recordingProblem = null;
  context.warnOnce(`recorded ${run.header.run} ${context.now()}`, `${run.header.run} is recorded again`);
}

/** Of one report: any other may be written. All other codes are of the file or what is around it. */
const OF_A_REPORT = /^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH|RANGE)/;

/** Is it the report itself that cannot be written? */
export const isPoison = (error: unknown): boolean => OF_A_REPORT.test(String((error as { code?: unknown }).code));
