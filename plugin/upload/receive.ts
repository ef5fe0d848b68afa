/** Brings the body of an upload into a file, within limits. What it is, is not asked here. */
import { readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Request } from 'express';
import { FieldError } from '../fieldError.ts';

/** How long nothing may come: a tunnel may hang for some seconds. Our choice. */
const MAX_IDLE_MS = 60_000;

export interface UploadLimits {
  /** Bytes of one recording. */
  one: number;
  /** Bytes of all in the folder of uploads. */
  all: number;
}

/**
 * A check of a size in bytes, said or received.
 * @param there bytes in the folder
 * @throws (the check) FieldError 413 where it is too large, 507 where the folder is full
 */
export const sizeCheck =
  (limits: UploadLimits, there: number) =>
  (size: number): void => {
    if (size > limits.one) throw new FieldError('recording', `must have at most ${limits.one} bytes`, size, 413);
    if (there + size > limits.all) {
      const rule = `must fit into the folder of uploads, which holds at most ${limits.all} bytes and has ${there}: remove some there`;
      throw new FieldError('recording', rule, size, 507);
    }
  };

const bytesOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
/** Bytes in a folder. */
export const sizeOf = (folder: string): number => readdirSync(folder).reduce((sum, file) => sum + bytesOf(join(folder, file)), 0);

/**
 * Writes the body of a request into a new file, never with more in memory than one part.
 * @param checkSize given the bytes so far; what it throws ends the writing
 */
export async function receive(request: Request, path: string, checkSize: (size: number) => void): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  const stalled = () => request.destroy(new Error(`nothing came for ${MAX_IDLE_MS / 1000} s`));
  request.setTimeout(MAX_IDLE_MS, stalled);
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
