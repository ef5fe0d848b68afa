/** The address of a monitor in another process: its rule, and texts of it without what is secret. Sends nothing. */
import { isToken, TOKEN_RULE, type Tokens } from '../token.ts';

export interface MonitorAddress {
  /** With a slash at its end. */
  readonly url: string;
  readonly token: string | null;
}

/**
 * @param text as the user gave it; null or empty: none
 * @returns with a slash at its end
 * @throws Error naming the rule it breaks; a token that stands in it (`?token=…`, `user:password@`) is not repeated
 */
export function readMonitorUrl(text: string | null): string | null {
  if (text === null || text === '') return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  const rule = 'watch: url (GAINWATCH_URL) must be an http or https address of a gainwatch serve';
  const shown = JSON.stringify(text.replace(/[\s\S]*@/, '…@').replace(/([?#])[\s\S]+/, '$1…'));
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Error(`${rule}, got ${shown}`);
  if (url.username !== '' || url.password !== '' || /[?#]/.test(text)) {
    throw new Error(
      `${rule}, without user and password and without what follows ? or #: give token (GAINWATCH_TOKEN) and run, got ${shown}`,
    );
  }
  return url.href.replace(/\/*$/, '/');
}

/** The one of the tokens that a sender needs. */
export const sentToken = ({ sendToken, token }: Pick<Tokens, 'sendToken' | 'token'>): string | null => sendToken ?? token;

/** @throws Error where a token cannot be sent in a header; it is not repeated */
export function checkSentToken(token: string | null): void {
  if (token !== null && !isToken(token))
    throw new Error(`watch: token (GAINWATCH_TOKEN) must be ${TOKEN_RULE}, got a text of ${token.length}`);
}

/** A text that somebody else has made, in one line, without the token and what looks like one. */
export function withoutSecrets(text: string, token: string | null): string {
  const secrets = token === null ? [] : [token, encodeURIComponent(token)];
  return secrets
    .reduce((shown, secret) => shown.replaceAll(secret, '…'), text)
    .replace(/\/\/[^/\s]*@/g, '//…@')
    .replace(/\b((?:\w*token|password|secret)=)[^&#\s"'<>]+/gi, '$1…')
    .replace(/\b(bearer\s+)[!-~]{8,}/gi, '$1…')
    .replace(/\p{C}/gu, ' ');
}
