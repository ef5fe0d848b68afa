/** One try of an HTTP request, whether it is worth another, and when. How often, and what is lost then, is its callers'. */

/** What a try is made with. */
export interface RequestContext {
  fetch: typeof fetch;
  /** Of one try, until its answer is read, ms. */
  timeoutMs: number;
  /** Ends the try early. */
  signal?: AbortSignal;
}

export interface TriedRequest<T> {
  /** As `read` gave it, whatever the status; null: there is none. */
  answer: T | null;
  /** null: no answer came, or it could not be read. */
  status: number | null;
  /** Of a 2xx. */
  isOk: boolean;
  /** May the same request do better later? Asking again does not make a refused one right. */
  isRetriable: boolean;
  /** How long the answer asks to wait (`Retry-After`), at most MAX_RETRY_AFTER_MS; null: it does not. */
  retryAfterMs: number | null;
  /** Why there is no answer, for people. */
  problem: string;
}

/** Our choice: who asks for more is mistaken. */
const MAX_RETRY_AFTER_MS = 300_000;

/** `Retry-After` in ms: seconds, or a date, by the answer's own clock where it tells it. null: there is none that can be read. */
export function retryAfterOf(headers: Headers, now: number): number | null {
  const text = headers.get('Retry-After')?.trim() ?? '';
  const date = Date.parse(headers.get('Date') ?? '');
  const ms = /^\d{1,9}$/.test(text)
    ? 1000 * Number(text)
    : /[A-Za-z]/.test(text)
      ? Date.parse(text) - (Number.isNaN(date) ? now : date)
      : Number.NaN;
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}

/**
 * Sends a request once. Redirects are not followed: that would turn a POST into a GET. Never rejects.
 * @param read takes what is needed from any answer
 */
export async function tryRequest<T>(
  url: string,
  init: RequestInit,
  read: (response: Response) => Promise<T>,
  { fetch, timeoutMs, signal }: RequestContext,
): Promise<TriedRequest<T>> {
  // Not AbortSignal.timeout within AbortSignal.any: Node 20 may collect it before it fires.
  const request = new AbortController();
  const stop = () => request.abort(signal?.reason);
  const timer = setTimeout(() => request.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  try {
    const response = await fetch(url, { ...init, redirect: 'manual', signal: request.signal });
    const { status, ok: isOk } = response;
    const retryAfterMs = retryAfterOf(response.headers, Date.now());
    const isRetriable = status >= 500 || status === 408 || status === 429;
    return { answer: await read(response), status, isOk, isRetriable, retryAfterMs, problem: '' };
  } catch (error) {
    const { message, cause } = error as Error;
    const problem = cause instanceof Error ? cause.message : message;
    return { answer: null, status: null, isOk: false, isRetriable: true, retryAfterMs: null, problem };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

/** A wait with up to half more by chance: those who failed at the same time are not to come back at the same time. @param random 0 to 1 */
export const spread = (delayMs: number, random: number): number => delayMs * (1 + random / 2);

/** The wait after one more failure: twice the last, up to a limit. */
export const backOff = (delayMs: number, maxDelayMs: number): number => Math.min(maxDelayMs, 2 * delayMs);
