/** One request to a monitor of another process, and what its answer means for what was sent. When to ask again is sendQueue.ts's. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { tryRequest } from '../retry.ts';
import { type MonitorAddress, withoutSecrets } from './monitorAddress.ts';

/** Of an answer; more is read by nobody. Our choice: warnings of 4096 connections. */
const MAX_ANSWER_BYTES = 4 * 2 ** 20;
/** Of what an answer says, for people. */
const MAX_SHOWN = 300;
/** Statuses of a body that is of no use to send again. All else may do better later: 401 with the right token, 404 behind a proxy … */
const REFUSED: readonly number[] = [400, 409, 413, 415, 422];

/** Of a name that is free, as openapi.yaml has it. */
const RUN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** What became of a request. `problem` is for people. */
export type Sent<T> =
  | { what: 'done'; answer: T }
  /** Of no use to repeat. `kind` is alike for what is refused for the same reason. */
  | { what: 'refused'; problem: string; kind: string }
  /** The run goes on in another training; `free` is a name for this one. */
  | { what: 'taken'; problem: string; free: string }
  /** `retryAfterMs`: as the answer asks; null: it does not. */
  | { what: 'later'; problem: string; retryAfterMs: number | null };

export interface RequestOptions<T> {
  method: 'PUT' | 'POST';
  /** A Buffer is packed with gzip. */
  body: Buffer | string;
  type: string;
  /** Is it what a monitor answers? What a proxy or a login page says with 200 is no acknowledgement. */
  isAnswer: (answer: unknown) => answer is T;
  /** The training's. */
  key: string;
  timeoutMs: number;
  signal: AbortSignal;
}

interface Heard {
  text: string;
  type: string;
  location: string;
}

const pack = promisify(gzip);

/** Sends it once. Follows no redirect. Never rejects. @param path below the monitor's address */
export async function requestMonitor<T>({ url, token }: MonitorAddress, path: string, options: RequestOptions<T>): Promise<Sent<T>> {
  const { method, body, type, isAnswer, key, timeoutMs, signal } = options;
  const headers: Record<string, string> = { 'Content-Type': type, 'Gainwatch-Version': '1', 'Gainwatch-Key': key };
  if (typeof body !== 'string') headers['Content-Encoding'] = 'gzip';
  if (token !== null) headers['Authorization'] = `Bearer ${token}`;
  const packed = typeof body === 'string' ? body : new Uint8Array(await pack(body, { level: 1 }));
  const tried = await tryRequest(url + path, { method, headers, body: packed }, hear, { fetch, timeoutMs, signal });
  const { answer: heard, status, retryAfterMs } = tried;
  const problemOf = (reason: string) => withoutSecrets(`${url}${path} ${reason}`, token);
  if (heard === null || status === null)
    return { what: 'later', problem: problemOf(`cannot be reached: ${tried.problem}`), retryAfterMs: null };
  const answer = parsed(heard);
  if (tried.isOk) {
    if (isAnswer(answer)) return { what: 'done', answer };
    const reason = `answers ${status} with ${heard.type}, which cannot be read as an answer of gainwatch serve (a proxy, a login page?)`;
    return { what: 'later', problem: problemOf(reason), retryAfterMs };
  }
  if (status >= 300 && status < 400) return { what: 'later', problem: problemOf(redirectReason(status, heard)), retryAfterMs };
  const { field, rule, free } = refusalIn(answer);
  const problem = problemOf(`answers ${status}: ${rule === null ? heard.text.slice(0, MAX_SHOWN) : `${field} ${rule}`}`);
  if (status === 409 && free !== null) return { what: 'taken', problem, free };
  return REFUSED.includes(status) ? { what: 'refused', problem, kind: `${status} ${field}` } : { what: 'later', problem, retryAfterMs };
}

async function hear(response: Response): Promise<Heard> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop cancels what is left.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) break;
  }
  const { headers } = response;
  const type = (headers.get('Content-Type') ?? 'application/json').split(';')[0].trim().toLowerCase();
  return { text: Buffer.concat(chunks).toString(), type, location: headers.get('Location') ?? '' };
}

function parsed({ text, type }: Heard): unknown {
  try {
    return type === 'application/json' ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function redirectReason(status: number, { location }: Heard): string {
  const host = URL.canParse(location) ? new URL(location).origin : 'another path';
  return `answers ${status} to ${host}: redirects are not followed, give its own address as url`;
}

/** An object's fields, by their names; of anything else: none. */
const fieldsOf = (value: unknown): Record<string, unknown> => (typeof value === 'object' && value !== null ? { ...value } : {});
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** What openapi.yaml calls Refusal; null: there is none. */
function refusalIn(answer: unknown) {
  const { field, rule, free } = fieldsOf(fieldsOf(answer)['error']);
  return { field: textOf(field) ?? '', rule: textOf(rule), free: typeof free === 'string' && RUN_NAME.test(free) ? free : null };
}

/** Has it these counts? For what is told apart from other JSON. */
export const hasCounts = (answer: unknown, names: readonly string[]): boolean =>
  names.every((name) => Number.isSafeInteger(fieldsOf(answer)[name]) && (fieldsOf(answer)[name] as number) >= 0);
