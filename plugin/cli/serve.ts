/** `gainwatch serve` and `gainwatch replay`: the service in this process, over recordings and runs that are sent. Loads no TF.js. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SingleBar } from 'cli-progress';
import { closeRun, forgetRun, handleReport, openRun } from '../pipeline/pipeline.ts';
import { createFolder } from '../recorder/files.ts';
import { requireRecorder } from '../recorder/loadRecorder.ts';
import type { ServeLock } from '../recorder/serveLock.ts';
import { startService } from '../service.ts';
import { addresses, print, type ServerFlags, serviceOptions } from './options.ts';

/** Resolves on SIGINT or SIGTERM. */
const stopped = (): Promise<unknown> => Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)));

export interface ServeFlags extends ServerFlags {
  runs: string;
  /** false: --no-record. */
  record: boolean;
  keepDays?: number;
  maxBytes?: number;
}

/**
 * Serves until Ctrl-C.
 * @throws Error where an option cannot be, the folder cannot be made or is another server's, or the port cannot be opened
 */
export async function serve(flags: ServeFlags): Promise<void> {
  const { runs, record, keepDays, maxBytes } = flags;
  if (!record && (keepDays ?? maxBytes) !== undefined)
    throw new Error('--keep-days and --max-bytes go with recordings: not with --no-record');
  const options = serviceOptions(flags, runs);
  const fresh = !existsSync(runs);
  const lock = record ? await takeFolder(runs, options.onProblem) : null;
  try {
    const service = await startService({ ...options, expectsRuns: true, record, keepDays: keepDays ?? null, maxBytes: maxBytes ?? null });
    lock?.announce(service.url);
    const ended = stopped(); // whoever has read the address may end it
    if (service.note !== null) print(service.note);
    const where = record ? `${runs}${fresh ? ' (new)' : ''}` : 'none: nothing is kept (--no-record)';
    print(`${addresses(service.url, options)}Recordings ${where}`);
    await ended;
    await service.close();
  } finally {
    lock?.release();
  }
}

/** The folder, made where it is missing, and its lock. @returns null where it takes none, or SQLite cannot be loaded: each is said */
async function takeFolder(runs: string, onProblem: (message: string) => void): Promise<ServeLock | null> {
  try {
    createFolder(runs);
  } catch (error) {
    throw new Error(`runs: the folder ${runs} cannot be created (--runs): ${(error as Error).message}`);
  }
  const locks = await import('../recorder/serveLock.ts').catch(() => null); // startService says why not
  return locks === null ? null : locks.takeServeLock(runs, Date.now(), onProblem);
}

export interface ReplayFlags extends ServerFlags {
  speed: number;
  runs?: string;
  exit: boolean;
}

/**
 * Feeds the steps of a recording through the pipeline in their own rhythm, times `speed`. Recorded anew only with --runs.
 * @throws Error where the file has no step
 */
export async function replay(file: string, flags: ReplayFlags): Promise<void> {
  const recorder = await requireRecorder();
  const reader = recorder.openReader(file);
  const scratch = flags.runs === undefined ? mkdtempSync(join(tmpdir(), 'gainwatch-replay-')) : null;
  try {
    const detail = recorder.readDetail(reader);
    const newest = recorder.readLatest(reader);
    if (detail === null || newest === null) throw new Error(`${file} has no step to replay`);
    const options = serviceOptions(flags, flags.runs ?? scratch!);
    const service = await startService(options);
    if (service.note !== null) print(service.note);
    print(`${addresses(service.url, options)}Replaying ${detail.run}, attempt ${newest.attempt}, at ${flags.speed} times its speed`);
    const { pipeline } = service;
    const run = openRun(pipeline, newest.header);
    const stop = new AbortController();
    const ended = stopped().then(() => stop.abort());
    const bar = new SingleBar({ stream: process.stderr, format: '{bar} step {value}/{total} | {eta_formatted} left', noTTYOutput: false });
    bar.start(newest.report.step, 0);
    let before: number | null = null;
    for (const { report } of recorder.readSteps(reader, { attempt: newest.attempt, step: -1 })) {
      const wait = before === null ? 0 : (report.time - before) / flags.speed;
      before = report.time;
      await pause(Math.max(0, wait), undefined, { signal: stop.signal }).catch(() => {});
      if (stop.signal.aborted) break;
      // The rhythm is the recording's, the clock ours: "last step" means the last one replayed.
      void handleReport(pipeline, run, { ...report, time: Date.now() });
      bar.update(report.step);
    }
    bar.stop();
    closeRun(pipeline, run, stop.signal.aborted ? 'interrupted' : (detail.outcome ?? 'unknown'));
    if (!flags.exit && !stop.signal.aborted) {
      print(`Replayed. Still serving ${service.url} – Ctrl-C ends it.`);
      await ended;
    }
    forgetRun(pipeline, run);
    await service.close();
  } finally {
    recorder.closeReader(reader);
    if (scratch !== null) rmSync(scratch, { recursive: true, force: true });
  }
}
