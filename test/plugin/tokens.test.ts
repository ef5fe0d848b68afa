/** The four tokens: where they are given, on the command line, in the environment and to watch(); and a file that others may read. */
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { readTokens, TOKEN_FLAGS, TOKEN_NAMES, tokensIn } from '../../plugin/token.ts';
import { readWatchOptions } from '../../plugin/watchOptions.ts';
import { runCommand, startForTest } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';

const NONE = { token: null, viewToken: null, sendToken: null, decideToken: null };

function tokenFile(mode: number, text = 'of-a-file-1\n'): string {
  const path = join(temporaryFolder(), 'token');
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

test.each(TOKEN_NAMES)('%s is read by itself, from a file, or from the environment; not from two places', (name) => {
  const said: string[] = [];
  const read = (options: Parameters<typeof readTokens>[0]) => readTokens(options, (message) => said.push(message));
  const file = tokenFile(0o600);
  const variable = `GAINWATCH_${TOKEN_FLAGS[name].replace('-', '_').toUpperCase()}`;
  expect(read({ [name]: 'given-here' })).toEqual({ ...NONE, [name]: 'given-here' });
  expect(read({ [`${name}File`]: file })).toEqual({ ...NONE, [name]: 'of-a-file-1' });
  expect(read(tokensIn({ [variable]: 'of-the-environment' }))).toEqual({ ...NONE, [name]: 'of-the-environment' });
  expect(read(tokensIn({ [`${variable}_FILE`]: file }))).toEqual({ ...NONE, [name]: 'of-a-file-1' });
  expect(() => read({ [name]: 'given-here', [`${name}File`]: file })).toThrow(
    `${TOKEN_FLAGS[name]}-file (--${TOKEN_FLAGS[name]}-file, ${variable}_FILE) and ${TOKEN_FLAGS[name]} (--${TOKEN_FLAGS[name]}, ${variable}) are both given`,
  );
  expect(() => read({ [`${name}File`]: tokenFile(0o600, 'short') })).toThrow(/must hold at least 8/);
  expect(said).toEqual([]);
});

test.each([
  [0o600, false],
  [0o400, false],
  [0o700, false],
  [0o640, true],
  [0o644, true],
  [0o604, true],
  [0o602, true],
])('a file of mode %o is told of: %s, and taken', (mode, told) => {
  const file = tokenFile(mode);
  // As the volume of a secret has it: it is the file that counts.
  const link = join(temporaryFolder(), 'link');
  symlinkSync(file, link);
  const said: string[] = [];
  expect(readTokens({ sendTokenFile: link }, (message) => said.push(message)).sendToken).toBe('of-a-file-1');
  expect(said).toEqual(
    told ? [`send-token-file ${link} may be read by others on this machine (mode ${mode.toString(8)}): chmod 600 ${link}`] : [],
  );
});

test('watch() takes them as options before those of the environment', () => {
  vi.stubEnv('GAINWATCH_TOKEN', 'of-the-environment');
  vi.stubEnv('GAINWATCH_DECIDE_TOKEN_FILE', tokenFile(0o644));
  onTestFinished(() => void vi.unstubAllEnvs());
  const lines: string[] = [];
  const { server } = readWatchOptions({ token: 'given-here', viewToken: 'view-alone', log: (line) => lines.push(line) });
  expect(server).toMatchObject({ token: 'given-here', viewToken: 'view-alone', sendToken: null, decideToken: 'of-a-file-1' });
  expect(lines).toEqual([expect.stringContaining('may be read by others')]);
});

test('serve has flags for all of them, asks for them, and prints none', async () => {
  const { stdout } = await runCommand(['serve', '--help']);
  for (const flag of Object.values(TOKEN_FLAGS))
    for (const end of [' <token>', '-file <file>']) expect(stdout).toContain(`--${flag}${end}`);
  const args = ['--view-token', 'view-alone', '--decide-token-file', tokenFile(0o644)];
  const serve = await startForTest(['serve', '--runs', temporaryFolder(), '--port', '0', ...args]);
  expect(serve.stderr()).toContain('decide-token-file');
  expect(serve.stderr()).toContain('may be read by others on this machine (mode 644)');
  expect(serve.stderr()).not.toMatch(/view-alone|of-a-file-1/);
  const status = async (token: string, method: string) =>
    (await fetch(`${serve.url}api/v1/runs/none`, { method, headers: { Authorization: `Bearer ${token}` } })).status;
  expect(await Promise.all([status('view-alone', 'GET'), status('view-alone', 'DELETE'), status('of-a-file-1', 'DELETE')])).toEqual([
    404, 403, 404,
  ]);
}, 60_000);
