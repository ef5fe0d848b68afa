/** The tokens of a server: which there are, the rule of one, and where they are given. What each may: server/rights.ts. */
import { readFileSync, statSync } from 'node:fs';

export const TOKEN_RULE = 'at least 8 printable characters without spaces';
/** Can it be a token? TOKEN_RULE says it in words. */
export const isToken = (text: string): boolean => /^[\x21-\x7e]{8,}$/.test(text);

/** By the name of their option, and how each is called on the command line; its file is `…File`, `…-file`. */
export const TOKEN_FLAGS = { token: 'token', viewToken: 'view-token', sendToken: 'send-token', decideToken: 'decide-token' } as const;
export type TokenName = keyof typeof TOKEN_FLAGS;
export const TOKEN_NAMES = Object.keys(TOKEN_FLAGS) as TokenName[];

/** null: that one is not given. */
export type Tokens = Record<TokenName, string | null>;
/** As a user gives them: by themselves, or the file that holds one. */
export type TokenOptions = { readonly [K in TokenName | `${TokenName}File`]?: string | undefined };

/** Environment variable of an option: `view-token-file` → GAINWATCH_VIEW_TOKEN_FILE. */
export const tokenVariable = (flag: string): string => `GAINWATCH_${flag.toUpperCase().replaceAll('-', '_')}`;
/** How an option is given, for a message. */
export const sourcesOf = (flag: string): string => `(--${flag}, ${tokenVariable(flag)})`;

/** The tokens that the environment gives. */
export const tokensIn = (env: NodeJS.ProcessEnv): TokenOptions =>
  Object.fromEntries(
    TOKEN_NAMES.flatMap((name) => [
      [name, env[tokenVariable(TOKEN_FLAGS[name])]],
      [`${name}File`, env[tokenVariable(`${TOKEN_FLAGS[name]}-file`)]],
    ]),
  );

/**
 * The tokens of the options.
 * @param warn gets what should be known of a file: that others may read it
 * @throws Error where a token and its file are given, or the file has none
 */
export const readTokens = (options: TokenOptions, warn: (message: string) => void): Tokens =>
  Object.fromEntries(TOKEN_NAMES.map((name) => [name, readToken(options, name, warn)])) as Tokens;

/** One of them; null: not given. @throws as readTokens */
export function readToken(options: TokenOptions, name: TokenName, warn: (message: string) => void): string | null {
  const { [name]: token, [`${name}File` as const]: file } = options;
  if (file === undefined) return token ?? null;
  const flag = TOKEN_FLAGS[name];
  const sources = sourcesOf(`${flag}-file`);
  if (token !== undefined) throw new Error(`${flag}-file ${sources} and ${flag} ${sourcesOf(flag)} are both given: give one`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
    const mode = statSync(file).mode & 0o777;
    // Told, not refused: a secret that a container gets is often readable to all in it. Windows has no such bits.
    if ((mode & 0o077) !== 0 && process.platform !== 'win32' && text !== '')
      warn(`${flag}-file ${file} may be read by others on this machine (mode ${mode.toString(8)}): chmod 600 ${file}`);
  } catch (error) {
    throw new Error(`${flag}-file ${file} cannot be read ${sources}: ${(error as Error).message}`);
  }
  if (!isToken(text)) throw new Error(`${flag}-file ${file} ${sources} must hold ${TOKEN_RULE}`);
  return text;
}
