/**
 * What a page of another site may have of the server: nothing but a link to the dashboard. Browsers say where a request comes from in
 * Sec-Fetch-Site or, over plain HTTP to another machine, in Origin only; programs send neither. Express middleware.
 */
import type { Request, RequestHandler } from 'express';
import { refuse } from './access.ts';

const RULE = "must be this server's own: a page of another site may neither read nor change anything here";

/** Somebody follows a link to the page itself, from a chat or a mail; not a frame, an image or a script. */
export const isLinkToPage = ({ method, path, headers }: Request): boolean =>
  method === 'GET' && path === '/' && headers['sec-fetch-mode'] === 'navigate' && (headers['sec-fetch-dest'] ?? 'document') === 'document';

/**
 * Where a request comes from that a page of another site makes: the header that says so, and its value; null: from nowhere foreign.
 * Another port of this host is another site too (same-site). 'none' is an address that somebody typed: it reads, it changes nothing.
 */
export function foreignSiteOf(request: Request): [header: string, value: string] | null {
  const { origin, host = '', 'sec-fetch-site': site } = request.headers;
  const reads = request.method === 'GET' || request.method === 'HEAD';
  if (typeof site === 'string') return site === 'same-origin' || (reads && site === 'none') ? null : ['Sec-Fetch-Site', site];
  return origin === undefined || hostOf(origin) === host.toLowerCase() ? null : ['Origin', origin];
}

/** With its port, as a Host header has it; null for an origin that has none ("null"). */
const hostOf = (origin: string): string | null => (URL.canParse(origin) ? new URL(origin).host : null);

/** Answers 403 to what a page of another site asks for. */
export const checkSite: RequestHandler = (request, response, next) => {
  const foreign = foreignSiteOf(request);
  if (foreign === null || isLinkToPage(request)) next();
  else refuse(response, 403, foreign[0], RULE, foreign[1]);
};
