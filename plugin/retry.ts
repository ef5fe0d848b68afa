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
  /** Why there is no answer, for people. */
  problem: string;
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
    return { answer: await read(response), status, isOk, isRetriable: status >= 500 || status === 408 || status === 429, problem: '' };
  } catch (error) {
    const { message, cause } = error as Error;
    return { answer: null, status: null, isOk: false, isRetriable: true, problem: cause instanceof Error ? cause.message : message };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

/** The wait after one more failure: twice the last, up to a limit. */
export const backOff = (delayMs: number, maxDelayMs: number): number => Math.min(maxDelayMs, 2 * delayMs);
