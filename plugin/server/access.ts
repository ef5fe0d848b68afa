/**
 * Who may reach the server: do its options fit together, the Host header against DNS rebinding, and how a refusal is answered. What
 * tokens may is rights.ts and authorize.ts, what pages of other sites may is foreignSite.ts. No routes.
 */
import type { Request, RequestHandler, Response } from 'express';
import { isToken, sourcesOf, TOKEN_FLAGS, TOKEN_NAMES, TOKEN_RULE, type Tokens } from '../token.ts';
import { isGuarded } from './rights.ts';

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

export interface Access extends Tokens {
  host: string;
  /** Further names in the Host header; '*' allows all. */
  allowHost: readonly string[];
  basePath: string;
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host);

/** Do the options fit together? @throws Error naming the option, the rule and the value */
export function checkAccess(access: Access): void {
  const { host, allowHost, basePath } = access;
  for (const name of TOKEN_NAMES) {
    const token = access[name];
    const flag = TOKEN_FLAGS[name];
    if (token !== null && !isToken(token)) throw new Error(`${flag} ${sourcesOf(flag)} must be ${TOKEN_RULE}`);
  }
  if (!isLoopback(host) && !isGuarded(access)) {
    throw new Error(
      `host ${host} can be reached from other machines: give a token (--token, --token-file, GAINWATCH_TOKEN) or stay on 127.0.0.1`,
    );
  }
  if (allowHost.includes('*') && !isGuarded(access))
    throw new Error("allow-host '*' needs a token (--token, --token-file, GAINWATCH_TOKEN)");
  // A part of only dots would be another path to the browser, and to a proxy.
  if (basePath !== '' && (!/^(\/[\w.~-]+)+$/.test(basePath) || /\/\.+(\/|$)/.test(basePath))) {
    throw new Error(`base-path must look like /gainwatch, without a slash at its end and without /./ or /../, got ${basePath}`);
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

/** Did the browser come over https, by a proxy? Each proxy adds itself at the end: "https,http". */
export const isHttps = (request: Request): boolean =>
  String(request.headers['x-forwarded-proto'] ?? '')
    .split(',')[0]
    .trim()
    .toLowerCase() === 'https';

/** Answers with an error as openapi.yaml has it. */
export function refuse(response: Response, status: number, field: string, rule: string, value: unknown, free?: string): void {
  response.status(status).json({ error: { field, rule, value: value ?? null, free } });
}
