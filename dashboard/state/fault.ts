/** What could not be loaded: shown on the page, and asked for again after a while. */
import { signal } from '@preact/signals';
import { redraw } from './redraw.ts';
import { RequestError } from './requests.ts';

/** For people; null: nothing. */
export const fault = signal<string | null>(null);

/** Before what could not be loaded is asked for again. Our choice: a server that starts anew is there after some seconds. */
const RETRY_MS = 3000;

/** Does the server know no such thing? */
export const isAbsent = (error: unknown): boolean => error instanceof RequestError && error.status === 404;

/** Of a link to a run that was taken away, or that is on another server. */
export function reportAbsent(run: string): void {
  fault.value = `${run} is not among the runs here`;
}

/** `forget` lets it be asked for again, after a while; not where there is no such thing. */
export function reportFault(run: string, error: unknown, forget: () => void): void {
  fault.value = `${run}: ${(error as Error).message}`;
  if (!isAbsent(error)) retryLater(forget);
}

/** Forgets what was asked, after a while, so that the next redraw asks again. */
export function retryLater(forget: () => void): void {
  setTimeout(() => {
    forget();
    redraw();
  }, RETRY_MS);
}
