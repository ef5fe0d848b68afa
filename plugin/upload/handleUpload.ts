/**
 * A recording that somebody drops on the page: received into a file, validated, and kept in the folder of uploads by a free name.
 * One at a time. Whatever goes wrong, nothing else stays.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, closeSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Request, Response } from 'express';
import { FieldError } from '../fieldError.ts';
import { toWriteError } from '../fileErrors.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { findRecording, freeName, recordingPath, uploadsIn } from '../recorder/directory.ts';
import { createFolder, PRIVATE_FILE } from '../recorder/files.ts';
import { runValidation } from './runValidation.ts';

/** Of one recording. Our choice: 512 MiB are some 20,000 steps of 122 connections, at 23 kB each. */
const MAX_UPLOAD_BYTES = 512 * 2 ** 20;
/** Of all in the folder. Our choice. */
const MAX_UPLOADS_BYTES = 10 * 2 ** 30;
const LIMITS = { one: MAX_UPLOAD_BYTES, all: MAX_UPLOADS_BYTES };
/** Over which the rate is looked at: a tunnel may hang for some seconds, and a small recording has come before. Our choice. */
const RATE_WINDOW_MS = 60_000;
/** Of each window, else it holds up all others: 64 KiB/s, a bad mobile line. Our choice; the whole has an hour (server/httpServer.ts). */
const MIN_WINDOW_BYTES = 60 * 64 * 2 ** 10;
/** Since its last byte, from which on a part is what a killed process has left: an upload may pause a minute, its validation take two. */
const MAX_PART_AGE_MS = 600_000;
const PART = /\.part(-journal|-wal|-shm)?$/;

/** Those into which a recording comes now. */
const busy = new WeakSet<Pipeline>();

/**
 * Receives a recording.
 * @returns by what name its run is kept
 * @throws FieldError 413 where it is too large, 408 where it comes too slowly, 507 where the folder or the disk is full, 503 where another
 * one comes or the folder refuses, 400 with the rule where it is no recording
 */
export async function handleUpload(pipeline: Pipeline, request: Request, response: Response, limits = LIMITS): Promise<string> {
  try {
    if (pipeline.recorder === null) throw new FieldError('recording', 'cannot be kept: recording is off (see the log)', null, 503);
    if (busy.has(pipeline)) throw new FieldError('recording', 'must come one at a time: wait until the other upload is done', null, 503);
    busy.add(pipeline);
    return await handleOne(pipeline, request, response, limits).finally(() => busy.delete(pipeline));
  } catch (error) {
    // It reads the answer only when it does not hang; who goes on sending is cut off by server/httpServer.ts.
    request.resume();
    throw toWriteError(error, 'recording', 'cannot be kept', null);
  }
}

async function handleOne(pipeline: Pipeline, request: Request, response: Response, limits: typeof LIMITS): Promise<string> {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new Error('the client has gone away')));
  const folder = uploadsIn(pipeline.directory);
  const path = join(folder, `${randomUUID()}.part`);
  try {
    createFolder(folder);
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
  chmodSync(path, 0o400);
  for (;;) {
    const name = freeName(run, (candidate) => live.has(candidate) || findRecording(directory, candidate) !== null);
    const target = recordingPath(uploadsIn(directory), name);
    try {
      closeSync(openSync(target, 'wx', PRIVATE_FILE));
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

/**
 * A check of a size in bytes, said or received.
 * @param there bytes in the folder
 * @throws (the check) FieldError 413 where it is too large, 507 where the folder is full
 */
const sizeCheck =
  (limits: typeof LIMITS, there: number) =>
  (size: number): void => {
    if (size > limits.one) throw new FieldError('recording', `must have at most ${limits.one} bytes`, size, 413);
    if (there + size > limits.all) {
      const rule = `must fit into the folder of uploads, which holds at most ${limits.all} bytes and has ${there}: remove some there`;
      throw new FieldError('recording', rule, size, 507);
    }
  };

const bytesOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
/** Bytes in a folder. */
const sizeOf = (folder: string): number => readdirSync(folder).reduce((sum, file) => sum + bytesOf(join(folder, file)), 0);

/**
 * Writes the body of a request into a new file, never with more in memory than one part.
 * @param checkSize given the bytes so far; what it throws ends the writing
 * @throws FieldError 408 where less than MIN_WINDOW_BYTES come in a window
 */
async function receive(request: Request, path: string, checkSize: (size: number) => void): Promise<void> {
  const file = await open(path, 'wx', PRIVATE_FILE);
  // Destroyed, the request could not be answered any more.
  const parts = (request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  let size = 0;
  let timer: NodeJS.Timeout | undefined;
  const tooSlow = new Promise<never>((_resolve, reject) => {
    let before = 0;
    timer = setInterval(() => {
      const came = size - before;
      before = size;
      if (came >= MIN_WINDOW_BYTES) return;
      const rule = `must come with at least ${MIN_WINDOW_BYTES} bytes in ${RATE_WINDOW_MS / 1000} s`;
      reject(new FieldError('recording', rule, came, 408));
    }, RATE_WINDOW_MS);
  });
  try {
    for (;;) {
      const part = await Promise.race([parts.next(), tooSlow]);
      if (part.done === true) break;
      size += part.value.length;
      checkSize(size);
      await file.writeFile(part.value);
    }
    await file.sync();
  } finally {
    clearInterval(timer);
    // Behind what it still waits for, which may never come.
    parts.return?.()?.catch(() => {});
    await file.close();
  }
}
