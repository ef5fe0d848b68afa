/**
 * Reads the bodies of senders, unpacked. What one may cost is bounded while it comes: bytes after unpacking, the whole time, the slowest
 * rate; and what all of them may hold together. Where that is used up, the slowest goes first: slow bodies keep no place from others.
 *
 *   coming ──ended──► request.body
 *     ├── too large ──► 413
 *     ├── too long, too slow, or the slowest while others have no place ──► 408, and the connection is closed
 *     └── no place, and none is slow ──► 503
 */
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Request, RequestHandler } from 'express';
import { FieldError, shown } from '../fieldError.ts';

export interface BodyLimits {
  /** Of one body, unpacked. */
  bytes: number;
  /** Of all that are coming: together, and how many. */
  heldBytes: number;
  bodies: number;
  /** From its first to its last byte. */
  ms: number;
  /** Bytes a second as they come in, packed, on average; looked at after `graceMs`. */
  slowest: number;
  graceMs: number;
  /** The same, from when on the slowest makes place for others, and below which rate. */
  crowdedSlowest: number;
  crowdedGraceMs: number;
}

/**
 * Our choice. Bytes: four times a batch of the TF.js sender's, one of the PyTorch sender's. All of them: 16 of the largest. Time and rate:
 * as Kestrel has them (MinRequestBodyDataRate: 240 bytes/s after 5 s), a little stricter, and a sender gives up after 40 s. In a crowd
 * what is slower than an old modem goes.
 */
export const BODY_LIMITS: BodyLimits = {
  bytes: 16 * 2 ** 20,
  heldBytes: 256 * 2 ** 20,
  bodies: 1024,
  ms: 30_000,
  slowest: 1024,
  graceMs: 5000,
  crowdedSlowest: 64 * 1024,
  crowdedGraceMs: 500,
};
/** How often a body is looked at. Our choice. */
const CHECK_MS = 1000;

/** A body that is coming. */
interface ComingBody {
  /** On a clock that does not jump, ms. */
  readonly since: number;
  /** Bytes as they came, packed. */
  readonly received: () => number;
  /** Unpacked, in one piece however small the pieces are in which it comes; grows. */
  store: Buffer;
  length: number;
  readonly cutOff: (error: FieldError) => void;
}

/** A handler that puts the whole body, unpacked, into `request.body`; all bodies that it reads share its limits. */
export function createBodyReader(limits: BodyLimits = BODY_LIMITS): RequestHandler {
  const coming = new Set<ComingBody>();
  return (request, response, next) => {
    readBody(request, limits, coming)
      .then(
        (body) => {
          request.body = body;
          next();
        },
        (error: FieldError) => {
          if (error.status === 408) response.set('Connection', 'close');
          next(error);
        },
      )
      .catch(() => request.destroy()); // whatever comes after it: no rejection without a handler, which would end the process
  };
}

/** @throws FieldError 400, 408, 413, 415 or 503 */
async function readBody(request: Request, limits: BodyLimits, coming: Set<ComingBody>): Promise<Buffer> {
  const stream = unpack(request);
  const { socket } = request;
  const before = socket.bytesRead;
  const { promise, resolve, reject } = withResolvers<void>();
  const body: ComingBody = {
    since: performance.now(),
    received: () => socket.bytesRead - before,
    store: Buffer.alloc(0),
    length: 0,
    cutOff: reject,
  };
  const onBroken = (error: Error) => reject(new FieldError('body', `must be readable: ${error.message}`, null));
  const timer = setInterval(() => checkPace(limits, body), CHECK_MS);
  try {
    if (Number(request.headers['content-length'] ?? 0) > limits.bytes) throw tooLarge(limits);
    if (coming.size >= limits.bodies) cutSlowest(limits, coming);
    coming.add(body);
    stream.on('data', (chunk: Buffer) => {
      if (body.length + chunk.length > limits.bytes) reject(tooLarge(limits));
      else if (append(body, chunk)) guarded(reject, () => keepWithin(limits, coming));
    });
    stream.on('end', resolve).on('error', onBroken);
    request.on('error', onBroken).on('close', () => request.complete || onBroken(new Error('it ended too early')));
    await promise;
    return body.store.subarray(0, body.length);
  } catch (error) {
    // The rest is read and thrown away, so that the sender comes to its answer.
    request.unpipe();
    stream.removeAllListeners('data');
    if (stream !== request) stream.destroy();
    request.resume();
    throw error;
  } finally {
    clearInterval(timer);
    coming.delete(body);
  }
}

/** Our choice: most bodies are smaller. */
const MIN_STORE_BYTES = 64 * 1024;

/** @returns whether the body holds more memory now */
function append(body: ComingBody, chunk: Buffer): boolean {
  const { store, length } = body;
  const needed = length + chunk.length;
  if (needed > store.length) {
    body.store = Buffer.allocUnsafeSlow(Math.max(needed, 2 * store.length, MIN_STORE_BYTES));
    store.copy(body.store, 0, 0, length);
  }
  chunk.copy(body.store, length);
  body.length = needed;
  return body.store !== store;
}

/** Promise.withResolvers, which Node 20 has not. */
function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((onValue, onError) => {
    [resolve, reject] = [onValue, onError];
  });
  return { promise, resolve, reject };
}

function guarded(onError: (error: Error) => void, act: () => void): void {
  try {
    act();
  } catch (error) {
    onError(error as Error);
  }
}

/** @throws FieldError 415 for an encoding that is not known */
function unpack(request: Request): Readable {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding === 'identity') return request;
  if (encoding === 'gzip') return request.pipe(createGunzip());
  if (encoding === 'deflate') return request.pipe(createInflate());
  if (encoding === 'br') return request.pipe(createBrotliDecompress());
  throw new FieldError('Content-Encoding', 'must be gzip, deflate, br or none', shown(encoding), 415);
}

const ageOf = ({ since }: ComingBody): number => performance.now() - since;
const rateOf = (body: ComingBody): number => (body.received() * 1000) / Math.max(1, ageOf(body));

function checkPace({ ms, graceMs, slowest }: BodyLimits, body: ComingBody): void {
  if (ageOf(body) > ms) body.cutOff(new FieldError('body', `must come within ${ms / 1000} s`, null, 408));
  else if (ageOf(body) > graceMs && rateOf(body) < slowest) body.cutOff(tooSlow(slowest));
}

/** @throws FieldError 503 where all together hold too much and none of them is slow */
function keepWithin(limits: BodyLimits, coming: Set<ComingBody>): void {
  const held = () => [...coming].reduce((sum, { store }) => sum + store.length, 0);
  while (held() > limits.heldBytes) cutSlowest(limits, coming);
}

/** Makes place by cutting off the slowest. @throws FieldError 503 where none is slow */
function cutSlowest({ crowdedGraceMs, crowdedSlowest }: BodyLimits, coming: Set<ComingBody>): void {
  const slow = [...coming].filter((body) => ageOf(body) > crowdedGraceMs && rateOf(body) < crowdedSlowest);
  if (slow.length === 0) throw new FieldError('body', 'must wait: too many bodies come at the same time', null, 503);
  const slowest = slow.reduce((most, body) => (rateOf(body) < rateOf(most) ? body : most));
  coming.delete(slowest);
  slowest.cutOff(tooSlow(crowdedSlowest));
}

const tooSlow = (rate: number) => new FieldError('body', `must come with ${rate} bytes a second or more`, null, 408);
const tooLarge = ({ bytes }: BodyLimits) => new FieldError('body', `must have at most ${bytes} bytes, unpacked`, null, 413);
