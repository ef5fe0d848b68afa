/** The token that is asked of everyone who connects: its rule, and where it is given. */
import { readFileSync } from 'node:fs';

export const TOKEN_RULE = 'at least 8 printable characters without spaces';
/** Does it follow TOKEN_RULE? */
export const isToken = (text: string): boolean => /^[\x21-\x7e]{8,}$/.test(text);

/** The token, given or in a file; null: none is given. @throws Error where two tokens are given, or the file has none */
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
