/** Notices against a real HTTP server that fails as real ones do. */
import { json } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createNotifier, deliver } from '../../plugin/notify/notifier.ts';
import { bodyFor, type Notice, noticeOf, parseTarget } from '../../plugin/notify/target.ts';
import type { LiveRun } from '../../plugin/pipeline/liveRun.ts';
import type { Severity } from '../../src/telemetry/warning.ts';
import { testWarning } from '../support/samples.ts';
import { listenLocally } from '../support/servers.ts';

const record = (severity: Severity = 'critical', step = 7) => testWarning({ severity, step }, { id: step });
const notice = noticeOf('raised', record());
const run = {} as LiveRun;

/** Answers with these statuses, then 200; a status of 0 cuts the connection. */
async function receiver(...statuses: number[]): Promise<{ url: string; bodies: Notice[] }> {
  const bodies: Notice[] = [];
  const port = await listenLocally(async (request, response) => {
    bodies.push((await json(request)) as Notice);
    const status = statuses.shift() ?? 200;
    if (status === 0) response.destroy();
    else response.writeHead(status).end();
  });
  return { url: `http://127.0.0.1:${port}/hook?secret=1`, bodies };
}

const context = (problems: string[] = []) => ({
  fetch,
  random: () => 0,
  onProblem: (message: string) => problems.push(message),
  firstWait: 5,
});
const never = new AbortController().signal;
/** Of a server that never answers. */
const hang = (_url: unknown, init?: RequestInit) =>
  new Promise<Response>((_resolve, reject) => init!.signal!.addEventListener('abort', () => reject(init!.signal!.reason as Error)));

describe('targets', () => {
  test('are addresses, in the format of Slack where they are Slack', () => {
    expect(parseTarget('https://example.org/hook?key=1')).toEqual({
      url: 'https://example.org/hook?key=1',
      format: 'webhook',
      shown: 'https://example.org',
    });
    expect(parseTarget('slack:http://localhost:8065/hooks/x').format).toBe('slack');
    expect(parseTarget('https://hooks.slack.com/services/x').format).toBe('slack');
  });

  test.each(['', 'example.org', 'ftp://example.org', 'slack:nothing'])('%j is none', (text) => {
    expect(() => parseTarget(text)).toThrow(/notify \(--notify, GAINWATCH_NOTIFY\) must be an http or https address/);
  });

  test('are refused without a word of what may be secret', () => {
    const secrets = ['https://user:SECRET@example.org/x', 'hooks.slack.com/services/SECRET', 'htps://a:SECRET@b/SECRET?SECRET', 'x?SECRET'];
    for (const text of secrets) {
      expect(() => parseTarget(text)).toThrow(/^notify \(--notify, GAINWATCH_NOTIFY\) must /);
      expect(() => parseTarget(text)).not.toThrow(/SECRET/);
    }
  });

  test('get all of the warning as JSON; Slack gets a text in which nothing is markup', () => {
    const posted = JSON.parse(bodyFor(parseTarget('http://x'), notice)) as Notice;
    expect(posted).toMatchObject({ version: 1, status: 'raised', warning: { rule: 'gain-forecast', value: '+Inf', active: true } });
    const { text } = JSON.parse(bodyFor(parseTarget('slack:http://x'), notice)) as { text: string };
    expect(text).toBe(
      ':rotating_light: *gain-forecast* critical, run `a-run`, step 7\nG &lt; 1000 &amp; rising\nWhat to do: runbook.md#gain-forecast',
    );
  });
});

describe('delivery', () => {
  test('is tried again after a failure', async () => {
    const { url, bodies } = await receiver(503, 0, 429);
    expect(await deliver(parseTarget(url), notice, context(), never)).toBeNull();
    expect(bodies).toHaveLength(4);
  });

  test('is given up where there is no answer in time, and tried again', async () => {
    const deaf = { ...context(), timeout: 20, fetch: vi.fn(hang) };
    expect(await deliver(parseTarget('http://x'), notice, deaf, never)).toBe('no answer within 20 ms');
    expect(deaf.fetch).toHaveBeenCalledTimes(8);
  });

  test('is not tried again where the request is refused or sent elsewhere, nor for ever', async () => {
    for (const status of [404, 302]) {
      const refusing = await receiver(status);
      expect(await deliver(parseTarget(refusing.url), notice, context(), never)).toBe(`it answers ${status}`);
      expect(refusing.bodies).toHaveLength(1);
    }
    const broken = await receiver(...new Array<number>(20).fill(500));
    expect(await deliver(parseTarget(broken.url), notice, context(), never)).toBe('it answers 500');
    expect(broken.bodies).toHaveLength(8);
  });
});

describe('the notifier', () => {
  test('sends in order to every target and keeps context back', async () => {
    const [one, two] = [await receiver(500), await receiver()];
    const notifier = createNotifier([one.url, two.url].map(parseTarget), context());
    notifier.sink.onWarning!(run, record('info'), 'raised');
    notifier.sink.onWarning!(run, record('warning', 1), 'raised');
    notifier.sink.onWarning!(run, record('warning', 2), 'raised');
    notifier.sink.onWarning!(run, record('warning', 1), 'cleared');
    await notifier.close(30_000);
    const sent = (bodies: Notice[]) => bodies.map(({ status, warning }) => `${status} ${warning.step}`);
    expect(sent(two.bodies)).toEqual(['raised 1', 'raised 2', 'cleared 1']);
    expect(sent(one.bodies)).toEqual(['raised 1', 'raised 1', 'raised 2', 'cleared 1']);
  });

  test('warns once that a target is not reached, and goes on trying', async () => {
    const problems: string[] = [];
    const { url, bodies } = await receiver(500, 500, 200, 200, 503, 200);
    const notifier = createNotifier([parseTarget(url)], context(problems));
    for (let step = 1; step <= 3; step++) notifier.sink.onWarning!(run, record('critical', step), 'raised');
    await notifier.close(30_000);
    expect(bodies).toHaveLength(6);
    expect(problems).toEqual([
      expect.stringMatching(/^notify \S+: it answers 500; trying again$/),
      expect.stringMatching(/503; trying again$/),
    ]);
  });

  test('says how many were lost when one arrives again, and of the next outage anew', async () => {
    const problems: string[] = [];
    const { url } = await receiver(404, 404, 200, 404);
    const notifier = createNotifier([parseTarget(url)], context(problems));
    for (let step = 1; step <= 4; step++) notifier.sink.onWarning!(run, record('critical', step), 'raised');
    await notifier.close(30_000);
    const one = /^notify http:\/\/127\.0\.0\.1:\d+: a warning could not be sent: it answers 404$/;
    expect(problems).toEqual([expect.stringMatching(one), expect.stringMatching(/: 2 warnings in all/), expect.stringMatching(one)]);
  });

  test('never waits, bounds what waits, and says what was lost, without the secret', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const problems: string[] = [];
    const notifier = createNotifier([parseTarget('http://127.0.0.1:9/hook?secret=1')], { ...context(problems), fetch: hang });
    for (let step = 0; step < 300; step++) notifier.sink.onWarning!(run, record('critical', step), 'raised');
    const closed = vi.fn();
    const closing = notifier.close(5000).then(closed);
    await vi.advanceTimersByTimeAsync(4999);
    expect(closed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await closing;
    expect(problems).toEqual([
      expect.stringMatching(/^notify http:\/\/127\.0\.0\.1:\d+: a warning could not be sent: too many are waiting$/),
      expect.stringMatching(/^notify http:\/\/127\.0\.0\.1:\d+: 300 warnings in all could not be sent$/),
    ]);
  });
});
