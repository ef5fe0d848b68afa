/** Who may what: each token and each route, the session that a browser gets for a token, and what the log says of acts. */
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { closeRun, handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import type { Service } from '../../dist/plugin/service.js';
import { createSessions, SESSION_MS } from '../../plugin/server/session.ts';
import { headerOf, reportOf } from '../support/reports.ts';
import { ask, cookieOf, start } from '../support/service.ts';

const TOKENS = { token: 'view-and-send', viewToken: 'view-alone', sendToken: 'send-alone', decideToken: 'view-and-decide' };
const header = headerOf('hc');
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

/** With a warning (0) of a run that has ended. */
async function startWithRun(...change: Parameters<typeof start>) {
  const service = await start(...change);
  const run = openRun(service.pipeline, header);
  for (let step = 1; step <= 11; step++)
    handleReport(service.pipeline, run, reportOf(header, step, step === 11 ? { loss: Number.NaN } : {}));
  closeRun(service.pipeline, run, 'completed');
  return service;
}

const ROUTES: [method: string, path: string, right: 'view' | 'send' | 'decide'][] = [
  ['GET', '/', 'view'],
  ['GET', '/icon.svg', 'view'],
  ['GET', '/metrics', 'view'],
  ['GET', '/sd', 'view'],
  ['GET', '/api/v1/rights', 'view'],
  ['GET', '/api/v1/runs', 'view'],
  ['GET', '/api/v1/runs/a-run', 'view'],
  ['GET', '/api/v1/runs/a-run/series?measure=loss', 'view'],
  ['GET', '/api/v1/runs/a-run/steps/latest', 'view'],
  ['GET', '/api/v1/runs/a-run/warnings', 'view'],
  ['HEAD', '/api/v1/stream', 'view'],
  ['PUT', '/api/v1/runs/other', 'send'],
  ['POST', '/api/v1/runs/other/steps', 'send'],
  ['POST', '/api/v1/recordings', 'send'],
  ['POST', '/api/v1/runs/a-run/warnings/9/acknowledge', 'decide'],
  ['DELETE', '/api/v1/runs/none', 'decide'],
  ['POST', '/api/v1/whatever-comes', 'decide'],
  ['PUT', '/api/v1/runs/a-run/warnings', 'decide'],
  ['POST', '/API/V1/Runs/other/STEPS/', 'send'],
];

test.each(ROUTES)('%s %s needs the right to %s', async (method, path, right) => {
  const service = await startWithRun(TOKENS);
  const statusFor = async (headers: Record<string, string>) => (await ask(service, path, headers, method)).status;
  expect(await statusFor({})).toBe(401);
  expect(await statusFor(bearer('wrong-token'))).toBe(401);
  const gives: Record<keyof typeof TOKENS, string[]> = {
    token: ['view', 'send'],
    viewToken: ['view'],
    sendToken: ['send'],
    decideToken: ['view', 'decide'],
  };
  for (const [name, rights] of Object.entries(gives)) {
    const status = await statusFor(bearer(TOKENS[name as keyof typeof TOKENS]));
    if (rights.includes(right)) expect([401, 403], `${name}: ${status}`).not.toContain(status);
    else expect(status, name).toBe(403);
  }
  const open = await startWithRun();
  expect([401, 403]).not.toContain((await ask(open, path, {}, method)).status);
});

test('a refusal names the right and the flags that give it; /healthz needs none; one token may be given for several', async () => {
  const service = await start({ ...TOKENS, sendToken: 'view-and-decide' });
  const refused = await ask(service, '/api/v1/runs/none', bearer('view-alone'), 'DELETE');
  expect(refused.status).toBe(403);
  expect(JSON.parse(refused.body)).toEqual({
    error: { field: 'token', rule: 'must give the right to decide (--decide-token), not only to view', value: null },
  });
  expect((await ask(service, '/healthz')).status).toBe(200);
  const rights = async (token: string) => JSON.parse((await ask(service, '/api/v1/rights', bearer(token))).body);
  expect(await rights('view-and-decide')).toEqual({ rights: ['view', 'send', 'decide'] });
  expect(await rights('view-and-send')).toEqual({ rights: ['view', 'send'] });
  expect(JSON.parse((await ask(await start(), '/api/v1/rights')).body)).toEqual({ rights: ['view', 'send', 'decide'] });
});

test.each(['view-token', 'send-token', 'decide-token'])(
  'off loopback %s alone is enough, and what nobody has a token for nobody may',
  async (flag) => {
    const name = flag.replace(/-t/, 'T') as keyof typeof TOKENS;
    const service = await start({ host: '0.0.0.0', allowHost: ['*'], [name]: 'only-this-one' });
    const may = { GET: flag !== 'send-token', PUT: flag === 'send-token', DELETE: flag === 'decide-token' };
    for (const [method, allowed] of Object.entries(may))
      expect((await ask(service, '/api/v1/runs/x', bearer('only-this-one'), method)).status === 403, method).toBe(!allowed);
  },
);

describe('acts in the log:', () => {
  const acknowledged = '/api/v1/runs/a-run/warnings/0/acknowledge';
  test('who, what and when, once, and no token', async () => {
    const service = await startWithRun(TOKENS);
    for (let times = 0; times < 2; times++) expect((await ask(service, acknowledged, bearer('view-and-decide'), 'POST')).status).toBe(200);
    await ask(service, acknowledged, bearer('view-alone'), 'POST');
    const cookie = await enter(service, 'view-and-decide');
    expect((await ask(service, '/api/v1/runs/a-run', { Cookie: cookie, Host: 'localhost' }, 'DELETE')).status).toBe(200);
    expect(service.problems).toEqual([
      expect.stringMatching(
        /^20\d\d-.*Z warning 0 of run a-run \(nonfinite, step 11\) was acknowledged by the token for view, decide from 127\.0\.0\.1$/,
      ),
      expect.stringMatching(/^20\d\d-.*Z run a-run was deleted by session [0-9a-f]{12} \(view, decide\) from 127\.0\.0\.1$/),
    ]);
    for (const token of [...Object.values(TOKENS), cookie.split('=')[1]]) expect(service.problems.join()).not.toContain(token);
  });

  test('without a token: that there is none', async () => {
    const service = await startWithRun();
    await ask(service, acknowledged, {}, 'POST');
    expect(service.problems).toEqual([expect.stringContaining('acknowledged by somebody (no token is asked for) from 127.0.0.1')]);
  });
});

async function enter(service: Service, token: string, headers: Record<string, string> = {}, path = '/'): Promise<string> {
  const answer = await ask(service, `${path}?token=${token}`, headers);
  expect(answer.status).toBe(303);
  return cookieOf(answer);
}

describe('a session', () => {
  test('is what the address with the token is exchanged for: not the token, of this port, ending, for the page alone', async () => {
    const service = await start({ ...TOKENS, basePath: '/watch' });
    const exchanged = await ask(service, '/watch/?token=view-and-send');
    expect(exchanged.headers['location']).toBe('/watch/');
    const [cookie] = exchanged.headers['set-cookie'] as string[];
    expect(cookie).toMatch(new RegExp(`^gainwatch_session_${service.port}=[\\w.-]+; Max-Age=86400; Path=/watch/; `));
    for (const part of ['HttpOnly', 'SameSite=Strict']) expect(cookie).toContain(part);
    expect(cookie).not.toContain('Secure');
    expect(cookie).not.toContain('view-and-send');
    const status = async (method: string, path: string) => (await ask(service, path, { Cookie: cookieOf(exchanged) }, method)).status;
    // One that another port of the host has set before it does not end it.
    const planted = `gainwatch_session_${service.port}=planted; ${cookieOf(exchanged)}`;
    expect((await ask(service, '/watch/api/v1/runs', { Cookie: planted })).status).toBe(200);
    expect(await status('GET', '/watch/api/v1/runs')).toBe(200);
    expect(await status('PUT', '/watch/api/v1/runs/x')).toBe(400);
    expect(await status('DELETE', '/watch/api/v1/runs/x')).toBe(403);
    expect((await ask(service, '/watch/?token=wrong-token')).status).toBe(401);
    expect((await ask(service, '/watch/metrics?token=view-and-send')).status).toBe(401);
  });

  test.each([
    ['https', true],
    ['https,http', true],
    ['HTTPS, http', true],
    ['http,https', false],
    ['http', false],
  ])('behind X-Forwarded-Proto: %s is Secure: %s, and so says /sd', async (forwarded, secure) => {
    const service = await start(TOKENS);
    const headers = { 'X-Forwarded-Proto': forwarded };
    const [cookie] = (await ask(service, '/?token=view-alone', headers)).headers['set-cookie'] as string[];
    expect(/; Secure/.test(cookie)).toBe(secure);
    const sd = await ask(service, '/sd', { ...headers, ...bearer('view-alone') });
    expect(sd.body).toContain(`"__scheme__":"${secure ? 'https' : 'http'}"`);
  });

  test('is worth nothing at another server, by whichever name, nor after a restart', async () => {
    const [one, other] = await Promise.all([start(TOKENS), start(TOKENS)]);
    const cookie = await enter(one, 'view-and-send');
    const value = cookie.split('=')[1];
    expect((await ask(one, '/api/v1/runs', { Cookie: `a=1; ${cookie}; gainwatch_session_1=x` })).status).toBe(200);
    expect((await ask(other, '/api/v1/runs', { Cookie: `${cookie}; gainwatch_session_${other.port}=${value}` })).status).toBe(401);
    await one.close();
    const again = await start({ ...TOKENS, port: one.port });
    expect((await ask(again, '/api/v1/runs', { Cookie: cookie })).status).toBe(401);
  });

  test('ends after a day, and with it the stream that it has opened', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const service = await start(TOKENS);
    const cookie = await enter(service, 'view-alone');
    const stream = ask(service, '/api/v1/stream', { Cookie: cookie });
    const headers = bearer('view-alone');
    await vi.waitFor(() => expect(vi.getTimerCount()).toBeGreaterThan(0));
    vi.advanceTimersByTime(SESSION_MS - 1000);
    expect((await ask(service, '/api/v1/runs', { Cookie: cookie })).status).toBe(200);
    vi.advanceTimersByTime(2000);
    expect((await ask(service, '/api/v1/runs', { Cookie: cookie })).status).toBe(401);
    expect((await stream).status).toBe(200);
    expect((await ask(service, '/api/v1/runs', headers)).status).toBe(200);
    // Nothing is written after its end, which would end the process.
    handleReport(service.pipeline, openRun(service.pipeline, header), reportOf(header, 1));
    expect((await ask(service, '/healthz')).status).toBe(200);
  });

  test('says nothing else than was signed', () => {
    let now = 5;
    const sessions = createSessions(() => now);
    const text = sessions.begin(['view']);
    expect(sessions.read(text)).toMatchObject({ rights: ['view'], endsAt: SESSION_MS + 5 });
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom(...'azAZ09._-'), (at, letter) => {
        const changed = text.slice(0, at) + letter + text.slice(at + 1);
        expect(sessions.read(changed) === null).toBe(changed !== text);
      }),
    );
    expect(sessions.read(text.replace('view', 'view-decide'))).toBeNull();
    expect(createSessions(() => now).read(text)).toBeNull();
    now += SESSION_MS;
    expect(sessions.read(text)).toBeNull();
  });
});

test('any bytes in Cookie and Authorization are no session, and no fault', async () => {
  const service = await start(TOKENS);
  const name = `gainwatch_session_${service.port}`;
  const bytes = fc.string({
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((code) => code !== 0x7f)
      .map((code) => String.fromCharCode(code)),
  });
  const text = fc.oneof(
    bytes,
    bytes.map((value) => `${name}=${value}`),
    fc.constantFrom(`${name}=%`, `${name}=`, 'gainwatch_token=%', '=', ';;'),
  );
  await fc.assert(
    fc.asyncProperty(text, text, async (Cookie, Authorization) => {
      expect((await ask(service, '/api/v1/runs', { Cookie, Authorization })).status).toBe(401);
    }),
  );
  expect(service.problems).toEqual([]);
});

test.each(['Bearer', 'bearer', 'BEARER', 'bEaReR '])('the scheme of Authorization has no case: "%s"', async (scheme) => {
  const service = await start(TOKENS);
  expect((await ask(service, '/metrics', { Authorization: `${scheme} view-alone` })).status).toBe(200);
});
