/** The files that we ship to deploy gainwatch with, started with their own arguments, and asked as by another machine. */
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type Command, startCommand } from './commandLine.ts';
import { temporaryFolder } from './folders.ts';

export const DEPLOY = fileURLToPath(new URL('../../alerts/deploy/', import.meta.url));
export const TOKEN = 'token-of-the-test';

/** A file of alerts/deploy/. */
export const readDeployed = (path: string): string => readFileSync(join(DEPLOY, path), 'utf8');

/** The value of `--flag=value`. */
export const flagOf = (args: readonly string[], flag: string): string | undefined =>
  args.find((arg) => arg.startsWith(`--${flag}=`))?.slice(flag.length + 3);

/** Starts gainwatch with the arguments that are shipped; folder, token and port are the test's. */
export async function startWith(args: readonly string[]): Promise<Command> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'token'), `${TOKEN}\n`);
  const changed = args.map((arg) =>
    arg
      .replace(/^--runs=.*/, `--runs=${join(folder, 'runs')}`)
      .replace(/^--token-file=.*/, `--token-file=${join(folder, 'token')}`)
      .replace(/^--port=.*/, '--port=0'),
  );
  const serve = await startCommand(changed);
  onTestFinished(() => void serve.stop());
  return serve;
}

/** The answer's status, asked as by another machine: fetch allows no Host of one's own. */
export function ask(url: string, path: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  return new Promise((done, fail) => {
    request(new URL(path, url), { headers }, async (response) => {
      let text = '';
      for await (const part of response) text += part;
      done({ status: response.statusCode!, text });
    })
      .once('error', fail)
      .end();
  });
}
