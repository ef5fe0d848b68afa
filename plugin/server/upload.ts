/**
 * A recording that somebody drops on the page: received into a file, checked, and kept in the folder of uploads by a free name.
 * One at a time. Whatever goes wrong, nothing else stays.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Request, Response } from 'express';
import { FieldError } from '../fieldError.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { findRecording, freeName, recordingPath, uploadsIn } from '../recorder/directory.ts';

/** Bytes of one recording. */
const UPLOAD_AT_MOST = 512 * 2 ** 20;
/** Bytes of all in the folder of uploads. */
const UPLOADS_AT_MOST = 10 * 2 ** 30;
/** How long nothing may come, ms. */
const IDLE_AT_MOST = 60_000;
/** How long the check may take, ms. */
const CHECK_AT_MOST = 120_000;
/** Age of what a process that was killed has left, ms. */
const LEFT_AFTER = 600_000;
const LEFT = /\.part(-journal|-wal|-shm)?$/;

/** What the check says of a file. */
export type UploadCheck = { run: string } | { rule: string; value: unknown };

interface Limits {
  /** Bytes of one recording. */
  one: number;
  /** Bytes of all. */
  all: number;
}

/** Those into which a recording comes now. */
const busy = new WeakSet<Pipeline>();

/**
 * @returns the run's name
 * @throws FieldError 413 where it is too large, 507 where the folder is full, 503 where another one comes, 400 with the rule where
 * it is no recording
 */
export async function takeUpload(
  pipeline: Pipeline,
  request: Request,
  response: Response,
  limits: Limits = { one: UPLOAD_AT_MOST, all: UPLOADS_AT_MOST },
): Promise<string> {
  try {
    if (pipeline.recorder === null) throw new FieldError('recording', 'cannot be kept: recording is off (see the log)', null, 503);
    if (busy.has(pipeline)) throw new FieldError('recording', 'must come one at a time: wait until the other upload is done', null, 503);
    busy.add(pipeline);
    try {
      return await takeOne(pipeline, request, response, limits);
    } finally {
      busy.delete(pipeline);
    }
  } catch (error) {
    // It reads the answer only when it does not hang; who goes on sending is cut off by service.ts.
    request.resume();
    throw error;
  }
}

async function takeOne(pipeline: Pipeline, request: Request, response: Response, limits: Limits): Promise<string> {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new Error('the client has gone away')));
  const folder = uploadsIn(pipeline.directory);
  const path = join(folder, `${randomUUID()}.part`);
  try {
    mkdirSync(folder, { recursive: true });
    removeLeft(folder);
    const checkSize = sizeCheck(limits, sizeOf(folder));
    checkSize(Number(request.headers['content-length'] ?? 0));
    await receive(request, path, checkSize);
    const run = await check(path, gone.signal);
    gone.signal.throwIfAborted();
    return place(pipeline, path, run);
  } finally {
    for (const beside of ['', '-journal', '-wal', '-shm']) rmSync(path + beside, { force: true });
  }
}

/** @param there bytes in the folder */
const sizeCheck = (limits: Limits, there: number) => (size: number) => {
  if (size > limits.one) throw new FieldError('recording', `must have at most ${limits.one} bytes`, size, 413);
  if (there + size > limits.all) {
    const rule = `must fit into the folder of uploads, which holds at most ${limits.all} bytes and has ${there}: remove some there`;
    throw new FieldError('recording', rule, size, 507);
  }
};

const bytesOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
const sizeOf = (folder: string): number => readdirSync(folder).reduce((sum, file) => sum + bytesOf(join(folder, file)), 0);

/** Never more in memory than one part. */
async function receive(request: Request, path: string, checkSize: (size: number) => void): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  const stalled = () => request.destroy(new Error(`nothing came for ${IDLE_AT_MOST / 1000} s`));
  request.setTimeout(IDLE_AT_MOST, stalled);
  try {
    let size = 0;
    // Destroyed, the request could not be answered any more.
    for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += part.length;
      checkSize(size);
      await file.writeFile(part);
    }
    await file.sync();
  } finally {
    request.off('timeout', stalled);
    if (!request.socket.destroyed) request.setTimeout(0);
    await file.close();
  }
}

function check(path: string, signal: AbortSignal): Promise<string> {
  const program = join(import.meta.dirname, 'checkUpload.js');
  const env = { ...process.env, NODE_OPTIONS: '' };
  const options = { signal, timeout: CHECK_AT_MOST, killSignal: 'SIGKILL', env, windowsHide: true, maxBuffer: 1 << 20 } as const;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, path], options, (error, said) => {
      if (signal.aborted) return reject(signal.reason as Error);
      if (error !== null) {
        const why = error.killed === true ? `took longer than ${CHECK_AT_MOST / 1000} s` : 'the check broke off';
        return reject(new FieldError('recording', 'must be a gainwatch recording that can be checked', why));
      }
      const found = JSON.parse(said) as UploadCheck;
      if ('run' in found) resolve(found.run);
      else reject(new FieldError('recording', found.rule, found.value));
    });
  });
}

/** Gives it the first free name: its own, NAME-2 … The name is claimed first, as others may be looking for one too. */
function place({ directory, live }: Pipeline, path: string, run: string): string {
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
function removeLeft(folder: string): void {
  for (const file of readdirSync(folder).filter((name) => LEFT.test(name))) {
    const path = join(folder, file);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY);
    if (age > LEFT_AFTER) rmSync(path, { force: true });
  }
}
