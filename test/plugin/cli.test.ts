/** What the commands refuse, their help, and `gainwatch notify`. */
import { expect, test } from 'vitest';
import { runCommand } from '../support/commandLine.ts';
import { listenLocally } from '../support/servers.ts';

test.each([
  [['demo', '--steps', '0'], /--steps.*must be a whole number from 1/],
  [['demo', '--lr', '-1'], /--lr.*must be a number above 0/],
  [['demo', '--streams', '9'], /--streams.*from 1 to 8/],
  [['demo', '--recompute', 'all'], /--recompute.*Allowed choices are none, connections, blocks/],
  [['demo', '--backend', 'cuda'], /Allowed choices are wasm, cpu, webgpu, tensorflow/],
  [['demo', '--text', '/no/such'], /text \/no\/such does not exist/],
  [['demo', '--host', '0.0.0.0', '--port', '0'], /give a token/],
  [['serve', '--runs', '/dev/null/runs'], /the folder \/dev\/null\/runs cannot be created \(--runs\)/],
  [['serve', '--runs', '/dev/null'], /the folder \/dev\/null cannot be created \(--runs\)/],
  [['serve', '--host', '0.0.0.0', '--port', '0'], /give a token \(--token, --token-file, GAINWATCH_TOKEN\)/],
  [['serve', '--token-file', '/no/such'], /token-file \/no\/such cannot be read \(--token-file, GAINWATCH_TOKEN_FILE\): ENOENT/],
  [['serve', '--token-file', '/dev/null'], /token-file \/dev\/null \(.*\) must hold at least 8 printable characters/],
  [['serve', '--token-file', '/no/such', '--token', '12345678'], /token-file .* and token .* are both given: give one/],
  [['serve', '--notify', 'ftp://example.org'], /must be an http or https address/],
  [['replay', '/no/such'], /\/no\/such cannot be opened/],
  [['export', '/no/such'], /\/no\/such cannot be opened/],
  [['notify', 'ftp://example.org'], /must be an http or https address/],
  [['dmeo'], /unknown command 'dmeo'/],
])('%j is refused with a reason', async (args, message) => {
  const { code, stderr } = await runCommand(args);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(message);
  expect(stderr).not.toContain('    at ');
});

test('a port that is taken is named, with the option', async () => {
  const port = await listenLocally();
  const { code, stderr } = await runCommand(['demo', '--port', String(port)]);
  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`port ${port} on 127.0.0.1 is taken.*--port`));
});

test('notify tries again, prints what came of each address, and fails where one failed', async () => {
  const asked: string[] = [];
  const port = await listenLocally((request, response) => {
    asked.push(request.url!);
    // Silent the first time, as a server that restarts.
    if (request.url === '/late' && asked.filter((url) => url === '/late').length === 1) response.destroy();
    else response.writeHead(request.url === '/gone' ? 410 : 200).end();
  });
  const url = `http://127.0.0.1:${port}`;
  const { code, stderr } = await runCommand(['notify', `${url}/late`, `slack:${url}/gone`]);
  expect(stderr.trim().split('\n').sort()).toEqual([
    `${url} (slack): it answers 410`,
    `${url} (webhook): delivered`,
    expect.stringMatching(/: .+; trying again$/),
  ]);
  expect(code).toBe(1);
  expect(asked.sort()).toEqual(['/gone', '/late', '/late']);
  expect((await runCommand(['notify', `${url}/late`])).code).toBe(0);
});

test.each(['demo', 'serve', 'replay', 'export', 'notify'])('the help of %s says what it does', async (command) => {
  const { code, stdout } = await runCommand([command, '--help']);
  expect(code).toBe(0);
  expect(stdout).toContain(`Usage: gainwatch ${command}`);
});
