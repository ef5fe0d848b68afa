/**
 * Who may reach the server: the Host header against DNS rebinding, the token where there is one, and no other site's page where
 * something is changed. Express middleware; no routes.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { isToken, TOKEN_RULE } from '../token.ts';

const COOKIE = 'gainwatch_token';
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

export interface Access {
  host: string;
  token: string | null;
  /** Further names in the Host header; '*' allows all. */
  allowHost: readonly string[];
  basePath: string;
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host);

/** Do the options fit together? @throws Error naming the option, the rule and the value */
export function checkAccess({ host, token, allowHost, basePath }: Access): void {
  if (token !== null && !isToken(token)) throw new Error(`token (--token, GAINWATCH_TOKEN) must be ${TOKEN_RULE}`);
  if (!isLoopback(host) && token === null) {
    throw new Error(
      `host ${host} can be reached from other machines: give a token (--token, --token-file, GAINWATCH_TOKEN) or stay on 127.0.0.1`,
    );
  }
  if (allowHost.includes('*') && token === null) throw new Error("allow-host '*' needs a token (--token, --token-file, GAINWATCH_TOKEN)");
  if (basePath !== '' && !/^(\/[\w.~-]+)+$/.test(basePath)) {
    throw new Error(`base-path must look like /gainwatch, without a slash at its end, got ${basePath}`);
  }
}

/** A handler that answers 421 for a Host that is not ours; the port does not matter. */
export function checkHost(access: Access): RequestHandler {
  const allowed = new Set(
    [...LOOPBACK, ...access.allowHost, ...(isLoopback(access.host) ? [access.host] : [])].map((name) => name.toLowerCase()),
  );
  return (request, response, next) => {
    const name = (request.headers.host ?? '').replace(/:\d*$/, '').toLowerCase();
    if (allowed.has('*') || allowed.has(name)) next();
    else refuse(response, 421, 'Host', 'must be localhost, 127.0.0.1, [::1] or a name given with --allow-host', name);
  };
}

/**
 * A handler that answers 401 without the token, as `Authorization: Bearer …` or as the cookie that `/?token=…` is exchanged for once
 * (Secure where the browser came over https, by a proxy).
 */
export function checkToken({ token, basePath }: Access): RequestHandler {
  if (token === null) return (_request, _response, next) => next();
  return (request: Request, response: Response, next: NextFunction) => {
    const given = request.query['token'];
    if (request.method === 'GET' && request.path === '/' && typeof given === 'string' && same(given, token)) {
      const secure = request.headers['x-forwarded-proto'] === 'https';
      response.cookie(COOKIE, token, { httpOnly: true, sameSite: 'strict', secure, path: `${basePath}/` });
      response.redirect(303, `${basePath}/`);
      return;
    }
    const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
    if ([bearer, cookieOf(request)].some((value) => value !== undefined && same(value, token))) next();
    else {
      response.set('WWW-Authenticate', 'Bearer');
      const wrong = [bearer, cookieOf(request), given].some((value) => value !== undefined);
      const rule = `must be ${wrong ? "this monitor's, " : ''}given as "Authorization: Bearer TOKEN", or once in the browser as /?token=TOKEN`;
      refuse(response, 401, 'token', rule, null);
    }
  };
}

/**
 * Answers 403 to a request that changes something and comes from another site's page. Browsers send where it comes from, in
 * Sec-Fetch-Site or, over plain HTTP from another machine, in Origin only; programs send neither.
 */
export const checkSite: RequestHandler = (request, response, next) => {
  const { origin, host = '', 'sec-fetch-site': site } = request.headers;
  const rule = "must be this server's own: a page of another site may not change anything here";
  if (request.method === 'GET' || request.method === 'HEAD') next();
  else if (site !== undefined) {
    if (site === 'same-origin') next();
    else refuse(response, 403, 'Sec-Fetch-Site', rule, site);
  } else if (origin === undefined || hostOf(origin) === host.toLowerCase()) next();
  else refuse(response, 403, 'Origin', rule, origin);
};

/** With its port, as a Host header has it; null for an origin that has none ("null"). */
const hostOf = (origin: string): string | null => (URL.canParse(origin) ? new URL(origin).host : null);

function cookieOf(request: Request): string | undefined {
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const [name, value] = part.trim().split('=', 2);
    if (name === COOKIE && value !== undefined) return decodeURIComponent(value);
  }
  return undefined;
}

/** Compares in constant time. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Answers with an error as openapi.yaml has it. */
export function refuse(response: Response, status: number, field: string, rule: string, value: unknown, free?: string): void {
  response.status(status).json({ error: { field, rule, value, free } });
}
