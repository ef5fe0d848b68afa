/**
 * A recording that somebody drops on the page: received into a file, validated, and kept in the folder of uploads by a free name.
 * One at a time. Whatever goes wrong, nothing else stays.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Request, Response } from 'express';
import { FieldError } from '../fieldError.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { findRecording, freeName, recordingPath, uploadsIn } from '../recorder/directory.ts';
import { receive, sizeCheck, sizeOf, type UploadLimits } from './receive.ts';
import { runValidation } from './runValidation.ts';

/** Our choice: 512 MiB are some 20,000 steps of 122 connections, at 23 kB each. */
const LIMITS: UploadLimits = { one: 512 * 2 ** 20, all: 10 * 2 ** 30 };
/** Since its last byte, from which on a part is what a killed process has left: an upload may pause a minute, its validation take two. */
const MAX_PART_AGE_MS = 600_000;
const PART = /\.part(-journal|-wal|-shm)?$/;

/** Those into which a recording comes now. */
const busy = new WeakSet<Pipeline>();

/**
 * Receives a recording.
 * @returns by what name its run is kept
 * @throws FieldError 413 where it is too large, 507 where the folder is full, 503 where another one comes, 400 with the rule where
 * it is no recording
 */
export async function handleUpload(
  pipeline: Pipeline,
  request: Request,
  response: Response,
  limits: UploadLimits = LIMITS,
): Promise<string> {
  try {
    if (pipeline.recorder === null) throw new FieldError('recording', 'cannot be kept: recording is off (see the log)', null, 503);
    if (busy.has(pipeline)) throw new FieldError('recording', 'must come one at a time: wait until the other upload is done', null, 503);
    busy.add(pipeline);
    try {
      return await handleOne(pipeline, request, response, limits);
    } finally {
      busy.delete(pipeline);
    }
  } catch (error) {
    // It reads the answer only when it does not hang; who goes on sending is cut off by service.ts.
    request.resume();
    throw error;
  }
}

async function handleOne(pipeline: Pipeline, request: Request, response: Response, limits: UploadLimits): Promise<string> {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new Error('the client has gone away')));
  const folder = uploadsIn(pipeline.directory);
  const path = join(folder, `${randomUUID()}.part`);
  try {
    mkdirSync(folder, { recursive: true });
    removeOldParts(folder);
    const checkSize = sizeCheck(limits, sizeOf(folder));
    checkSize(Number(request.headers['content-length'] ?? 0));
    await receive(request, path, checkSize);
    const run = await runValidation(path, gone.signal);
    gone.signal.throwIfAborted();
    return rename(pipeline, path, run);
  } finally {
    for (const beside of ['', '-journal', '-wal', '-shm']) rmSync(path + beside, { force: true });
  }
}

/** Gives it the first free name: its own, NAME-2 … The name is claimed first, as others may be looking for one too. */
function rename({ directory, live }: Pipeline, path: string, run: string): string {
  chmodSync(path, 0o444);
  for (;;) {
    const name = freeName(run, (candidate) => live.has(candidate) || findRecording(directory, candidate) !== null);
    const target = recordingPath(uploadsIn(directory), name);
    try {
      closeSync(openSync(target, 'wx'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    try {
      renameSync(path, target);
      return name;
    } catch (error) {
      rmSync(target, { force: true });
      throw error;
    }
  }
}

/** Of processes that were killed meanwhile. */
function removeOldParts(folder: string): void {
  for (const file of readdirSync(folder).filter((name) => PART.test(name))) {
    const path = join(folder, file);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY);
    if (age > MAX_PART_AGE_MS) rmSync(path, { force: true });
  }
}
