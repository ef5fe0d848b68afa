/**
 * The end of a request that failed: a refusal in our own words, and for a fault of ours a plain sentence, while path, message and stack go
 * to the log alone.
 */
import type { ErrorRequestHandler } from 'express';
import { FieldError } from '../fieldError.ts';
import type { WarnOnce } from '../warnOnce.ts';
import { refuse } from './access.ts';

/** Our choice: what holds a recording or the place of an upload is seldom done sooner. */
const RETRY_AFTER_SECONDS = 5;

/**
 * The last handler of an application. Throws nothing: a request that cannot be answered ends.
 * @param warnOnce gets each kind of fault with its stack
 */
export const answerError =
  (warnOnce: WarnOnce): ErrorRequestHandler =>
  (error: unknown, request, response, _next) => {
    try {
      const refused = toRefusal(error);
      if (refused === null || refused.status === 500) {
        const { stack, message, code = '' } = ((error as Error).cause ?? error) as Error & { code?: string };
        // What a recording is, is no fault of ours: without the stack.
        const told = refused === null ? (stack ?? String(error)) : message;
        warnOnce(`http ${code} ${told.split('\n')[1] ?? told}`, `${request.method} ${request.path} failed here: ${told}`);
      }
      // Unless somebody knows better when to come again.
      if (refused?.status === 503 && !response.headersSent && !response.hasHeader('Retry-After'))
        response.set('Retry-After', String(RETRY_AFTER_SECONDS));
      if (response.headersSent) response.destroy();
      else if (refused !== null) refuse(response, refused.status, refused.field, refused.rule, refused.value, refused.free);
      else refuse(response, 500, 'server', 'failed here: the log of the monitor says why', null);
    } catch {
      response.destroy();
    }
  };

/** What the client is told; null: it can do nothing about it. */
function toRefusal(error: unknown): FieldError | null {
  if (error instanceof FieldError) return error;
  const { status } = error as { status?: unknown };
  // Of express and what it brings: its messages repeat what was sent.
  if (typeof status === 'number' && status >= 400 && status < 500) return new FieldError('request', 'cannot be understood', null, status);
  return null;
}
