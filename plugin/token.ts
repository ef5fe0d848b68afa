/** The token that everyone who connects must have: its rule, and where it is given. */
import { readFileSync } from 'node:fs';

export const TOKEN_RULE = 'at least 8 printable characters without spaces';
/** Can it be a token? TOKEN_RULE says it in words. */
export const isToken = (text: string): boolean => /^[\x21-\x7e]{8,}$/.test(text);

/** The token of the options; null: none is asked for. @throws Error where two tokens are given, or the file has none */
export function tokenOf({ token, tokenFile }: { token?: string | undefined; tokenFile?: string | undefined }): string | null {
  if (tokenFile === undefined) return token ?? null;
  const options = '(--token-file, GAINWATCH_TOKEN_FILE)';
  if (token !== undefined) throw new Error(`token-file ${options} and token (--token, GAINWATCH_TOKEN) are both given: give one`);
  let text: string;
  try {
    text = readFileSync(tokenFile, 'utf8').trim();
  } catch (error) {
    throw new Error(`token-file ${tokenFile} cannot be read ${options}: ${(error as Error).message}`);
  }
  if (!isToken(text)) throw new Error(`token-file ${tokenFile} ${options} must hold ${TOKEN_RULE}`);
  return text;
}
