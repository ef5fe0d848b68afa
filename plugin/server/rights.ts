/**
 * Who may what: which rights a token gives, and which a request needs. Pure; the door is authorize.ts, the table in words README.md.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Right } from '../../src/telemetry/api.ts';
import { TOKEN_FLAGS, TOKEN_NAMES, type TokenName, type Tokens } from '../token.ts';

export const RIGHTS: readonly Right[] = ['view', 'send', 'decide'];

/** Who decides must see what there is to decide on; who sends must not read the runs of others. */
const GIVES: Record<TokenName, readonly Right[]> = {
  token: ['view', 'send'],
  viewToken: ['view'],
  sendToken: ['send'],
  decideToken: ['view', 'decide'],
};

/** By what a right is given, for a refusal. */
export const givenBy = (right: Right): string =>
  TOKEN_NAMES.filter((name) => GIVES[name].includes(right))
    .map((name) => `--${TOKEN_FLAGS[name]}`)
    .join(' or ');

/** Is any token asked for? Without one everybody who reaches the server may everything. */
export const isGuarded = (tokens: Tokens): boolean => TOKEN_NAMES.some((name) => tokens[name] !== null);

/** The rights of whoever has this token; one that is given for several has the rights of each. Empty: it is none of them. */
export function rightsOfToken(tokens: Tokens, given: string): Right[] {
  const rights = new Set<Right>();
  // All are compared, so that the time tells nothing.
  for (const name of TOKEN_NAMES)
    if (isSame(given, tokens[name] ?? '') && tokens[name] !== null) for (const right of GIVES[name]) rights.add(right);
  return RIGHTS.filter((right) => rights.has(right));
}

/** Compares in constant time. */
export function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** What changes something and is for those who send. Written without a last slash, in small letters. */
const SENDS: readonly [method: string, path: RegExp][] = [
  ['PUT', /^\/api\/v1\/runs\/[^/]+$/],
  ['POST', /^\/api\/v1\/runs\/[^/]+\/steps$/],
  ['POST', /^\/api\/v1\/recordings$/],
];

/**
 * What a request needs. What changes something and is not named here is for those who decide, so that a route that is forgotten is
 * closed, not open.
 * @param path below the base path
 */
export function rightFor(method: string, path: string): Right {
  if (method === 'GET' || method === 'HEAD') return 'view';
  // As express takes them for the same.
  const plain = path.toLowerCase().replace(/\/$/, '');
  return SENDS.some(([verb, pattern]) => verb === method && pattern.test(plain)) ? 'send' : 'decide';
}
