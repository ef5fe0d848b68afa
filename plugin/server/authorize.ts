/**
 * The door: 401 without a token or a session, 403 where it has not the right that the request needs. The address with a token is
 * exchanged for a session, once. Express middleware; which right is which: rights.ts.
 */
import { createHash } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import type { Right } from '../../src/telemetry/api.ts';
import { type Access, isHttps, refuse } from './access.ts';
import { foreignSiteOf, isLinkToPage } from './foreignSite.ts';
import { givenBy, isGuarded, RIGHTS, rightFor, rightsOfToken } from './rights.ts';
import { SESSION_MS, type Sessions } from './session.ts';

/** Who makes a request. */
export interface Requester {
  readonly rights: readonly Right[];
  /** For the log: never a token. */
  readonly name: string;
  /** Milliseconds until the session ends; null: a token does not. */
  readonly leftMs: number | null;
}

/** Who makes the request of this response; known once the door was passed. */
export const requesterOf = (response: Response): Requester => response.locals['requester'] as Requester;

/** Who did something, for the log: what opened the door, and from where. */
export const whoOf = (request: Request, response: Response): string =>
  `${requesterOf(response).name} from ${request.socket.remoteAddress ?? 'an address that is gone'}`;

/** Cookies go to every port of a host: each server has its own. */
const cookieName = (request: Request): string => `gainwatch_session_${request.socket.localPort}`;

/** Cookies of the name that are looked at: another port of the host, or a longer path, may set some too. Our choice. */
const MAX_COOKIES = 8;

/** Letters that no session has end the value, so nothing in a Cookie header can be misread or throw. */
function sessionsIn(request: Request): string[] {
  const pattern = new RegExp(`(?:^|;)[ \\t]*${cookieName(request)}=([\\w.-]+)[ \\t]*(?=;|$)`, 'g');
  return [...(request.headers.cookie ?? '').matchAll(pattern)].slice(0, MAX_COOKIES).map(([, value]) => value);
}

/** The scheme has no case (RFC 9110, 11.1). */
const bearerIn = ({ headers }: Request): string | undefined => /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];

/**
 * The handler that asks for a token: as `Authorization: Bearer …`, or as the session that `/?token=…` is exchanged for (Secure where the
 * browser came over https, by a proxy).
 */
export function authorize(access: Access, sessions: Sessions): RequestHandler {
  if (!isGuarded(access)) {
    const anybody: Requester = { rights: RIGHTS, name: 'somebody (no token is asked for)', leftMs: null };
    return (_request, response, next) => {
      response.locals['requester'] = anybody;
      next();
    };
  }
  const requesterIn = (request: Request): Requester | null => {
    const bearer = rightsOfToken(access, bearerIn(request) ?? '');
    if (bearer.length > 0) return { rights: bearer, name: `the token for ${bearer.join(', ')}`, leftMs: null };
    const session = sessionsIn(request)
      .map(sessions.read)
      .find((one) => one !== null);
    if (session === undefined) return null;
    const name = `session ${session.id} (${session.rights.join(', ')})`;
    return { rights: session.rights, name, leftMs: sessions.left(session) };
  };
  return (request, response, next) => {
    const given = request.query['token'];
    const entered = typeof given === 'string' && isAskedForPage(request) ? rightsOfToken(access, given) : [];
    if (entered.length > 0) {
      const path = `${access.basePath}/`;
      const options = { httpOnly: true, sameSite: 'strict', secure: isHttps(request), path, maxAge: SESSION_MS } as const;
      response.cookie(cookieName(request), sessions.begin(entered), options);
      response.redirect(303, path);
      return;
    }
    const requester = requesterIn(request);
    const needed = rightFor(request.method, request.path);
    if (requester === null) {
      const wrong = sessionsIn(request).length > 0 || [bearerIn(request), given].some((value) => value !== undefined);
      refuseUnknown(request, response, wrong);
    } else if (!requester.rights.includes(needed)) {
      const rule = `must give the right to ${needed} (${givenBy(needed)}), not only to ${requester.rights.join(' and ')}`;
      refuse(response, 403, 'token', rule, null);
    } else {
      response.locals['requester'] = requester;
      next();
    }
  };
}

/** The page itself, by its address or a link, not as an image or a frame of another site. */
const isAskedForPage = (request: Request): boolean =>
  request.method === 'GET' && request.path === '/' && (foreignSiteOf(request) === null || isLinkToPage(request));

/** @param wrong a token or a session was given, and is none of ours */
function refuseUnknown(request: Request, response: Response, wrong: boolean): void {
  response.status(401).set({ 'WWW-Authenticate': 'Bearer', 'Cache-Control': 'no-store' });
  const isBrowser = isAskedForPage(request) && /\btext\/html\b/.test(request.headers.accept ?? '');
  if (isBrowser) {
    response.set('Content-Security-Policy', ENTRY_POLICY).type('text/html').send(ENTRY_PAGE);
    return;
  }
  const known = wrong ? "this monitor's (a session ends after a day, and with the monitor), " : '';
  refuse(response, 401, 'token', `must be ${known}given as "Authorization: Bearer TOKEN", or once in the browser as /?token=TOKEN`, null);
}

/**
 * Where somebody follows a link of another site, the browser keeps a strict cookie back, behind a redirect too. It sends it with what the
 * page itself asks for, so the page asks once more, by an address that differs: what is behind # stays.
 */
const ENTRY_SCRIPT = "if (location.search !== '?again') location.replace('?again' + location.hash);";
const ENTRY_POLICY = `default-src 'none'; frame-ancestors 'none'; script-src 'sha256-${createHash('sha256').update(ENTRY_SCRIPT).digest('base64')}'`;
const ENTRY_PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>gainwatch</title><script>${ENTRY_SCRIPT}</script>
<p>This monitor asks for a token, or the session has ended: open it once with ?token=TOKEN at the end of its address.</p></html>
`;
