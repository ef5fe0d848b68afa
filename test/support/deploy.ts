/** The files that we ship to deploy gainwatch with, started with their own arguments. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, startForTest } from './commandLine.ts';
import { temporaryFolder } from './folders.ts';

export const DEPLOY = fileURLToPath(new URL('../../alerts/deploy/', import.meta.url));
export const TOKEN = 'token-of-the-test';

/** A file of alerts/deploy/. */
export const readDeployed = (path: string): string => readFileSync(join(DEPLOY, path), 'utf8');

/** The value of `--flag=value`. */
export const flagOf = (args: readonly string[], flag: string): string | undefined =>
  args.find((arg) => arg.startsWith(`--${flag}=`))?.slice(flag.length + 3);

/** Starts gainwatch with the arguments that are shipped; folder, token and port are the test's. */
export function startWith(args: readonly string[]): Promise<Command> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'token'), `${TOKEN}\n`);
  const changed = args.map((arg) =>
    arg
      .replace(/^--runs=.*/, `--runs=${join(folder, 'runs')}`)
      .replace(/^--token-file=.*/, `--token-file=${join(folder, 'token')}`)
      .replace(/^--port=.*/, '--port=0'),
  );
  return startForTest(changed);
}
