/** What a sender does with the answers of a monitor, of a stranger and of a monitor of before: kept, sent again, lost and said. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Answer, type Asked, json, KEY, refusal, startMonitor, startSender, stepsAnswer } from '../support/monitors.ts';
import { listenLocally } from '../support/servers.ts';

const SECRET = 'SECRET0123456789';
const numbers = (taken: readonly { step: number }[]) => taken.map(({ step }) => step);

const KEPT = [301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 408, 421, 429, 500, 502, 503, 504];

test('what may do better later is kept and arrives then, once', async () => {
  const arrived = KEPT.map(async (status) => {
    let away = true;
    const monitor = await startMonitor(() => (away ? { status, body: '<html>no</html>' } : null));
    const { queue, close } = startSender(monitor.url, 3);
    await expect.poll(() => monitor.asked.length).toBeGreaterThanOrEqual(1);
    expect(monitor.taken).toEqual([]);
    away = false;
    return [status, await close(), numbers(monitor.taken), queue.dropped, monitor.closed];
  });
  expect(await Promise.all(arrived)).toEqual(KEPT.map((status) => [status, 0, [1, 2, 3], 0, ['sent']]));
});

test('no redirect is followed, and where to is said without what is secret', async () => {
  const other = await startMonitor(() => null);
  const to = other.url.replace('://', `://user:${SECRET}@`);
  let away = true;
  const monitor = await startMonitor(() => (away ? { status: 307, headers: { Location: `${to}?token=${SECRET}` } } : null));
  const { close, all } = startSender(monitor.url, 2, { token: SECRET });
  await expect.poll(all).toContain(`${other.url.slice(0, -1)}: redirects are not followed`);
  away = false;
  expect(await close()).toBe(0);
  expect(other.asked).toEqual([]);
  expect(all()).not.toContain('SECRET');
});

const NO_ANSWERS: [string, Answer][] = [
  ['a login page', { status: 200, headers: { 'Content-Type': 'text/html' }, body: '<html>Accept the terms</html>' }],
  ['an answer of the right shape that says it is HTML', { ...stepsAnswer(3), headers: { 'Content-Type': 'text/html' } }],
  ['{}', json(200, {})],
  ['[]', json(200, [])],
  ['null', json(200, null)],
  ['no counts', json(200, { accepted: '3', duplicates: 0, late: 0, warnings: [] })],
  ['half an answer', { ...json(200, {}), body: '{' }],
  ['depth', { ...json(200, {}), body: '['.repeat(100_000) }],
  ['more than is read', { ...json(200, {}), body: `${' '.repeat(5 * 2 ** 20)}{}` }],
  ['204', { status: 204 }],
];

test('a 2xx that is no answer of a monitor is no acknowledgement', async () => {
  const arrived = NO_ANSWERS.map(async ([name, answer]) => {
    let away = true;
    const monitor = await startMonitor(() => (away ? answer : null));
    const { queue, close, all } = startSender(monitor.url, 3);
    await expect.poll(all).toContain('cannot be read as an answer of gainwatch serve');
    expect(queue.waiting).toHaveLength(3);
    away = false;
    return [name, await close(), numbers(monitor.taken)];
  });
  expect(await Promise.all(arrived)).toEqual(NO_ANSWERS.map(([name]) => [name, 0, [1, 2, 3]]));
});

test('whoever says the token, it is in no line', async () => {
  const body = `the token "${SECRET}" of http://user:${SECRET}@host/?token=${SECRET} (Bearer ${SECRET})\nis wrong`;
  const answers: Answer[] = [
    { status: 401, body },
    { status: 500, headers: { 'Content-Type': `x/${SECRET.toLowerCase()}` }, body },
    { status: 302, headers: { Location: `http://${SECRET}@h/${SECRET}` } },
    { status: 400, body },
    refusal(409, `must not be ${SECRET}`, { field: SECRET }),
    refusal(409, `must not be ${SECRET}`, { free: 'sent-2' }),
  ];
  for (const answer of answers) {
    const monitor = await startMonitor(({ run }) => (run === 'sent' ? answer : null));
    const { lines, close } = startSender(monitor.url, 1, { token: SECRET });
    await expect.poll(() => lines.length).toBeGreaterThan(0);
    if (answer.status === 409) await close();
    expect(lines.filter((line) => line.includes('SECRET') || line.includes('\n'))).toEqual([]);
  }
  // Nothing answers.
  const { lines } = startSender('http://127.0.0.1:9/', 1, { token: SECRET });
  await expect.poll(() => lines.length).toBe(1);
  expect(lines[0]).not.toContain('SECRET');
});

test('refused steps take no others with them, are counted, and their rule is said once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: 24 }), { maxLength: 6 }),
      fc.constantFrom(400, 409, 413, 415, 422),
      async (bad, status) => {
        const rule = 'must not be one that was put together without this rank';
        const monitor = await startMonitor(({ steps }) => (steps.some((step) => bad.includes(step)) ? refusal(status, rule) : null));
        const { queue, lines, close } = startSender(monitor.url, 24);
        expect(await close()).toBe(bad.length);
        const good = Array.from({ length: 24 }, (_, i) => i + 1).filter((step) => !bad.includes(step));
        expect(numbers(monitor.taken)).toEqual(good);
        expect(queue.dropped).toBe(bad.length);
        expect(lines.filter((line) => line.includes(rule))).toHaveLength(bad.length > 0 ? 1 : 0);
      },
    ),
    { numRuns: 15 },
  );
});

test('late of a monitor of before is heard, said and counted', async () => {
  const monitor = await startMonitor(({ method, steps }) =>
    method === 'POST' ? stepsAnswer(steps.length, { accepted: steps.length - 2, late: 2 }) : null,
  );
  const { queue, close, all } = startSender(monitor.url, 5);
  expect(await close()).toBe(2);
  expect(queue.dropped).toBe(2);
  expect(all()).toContain('2 steps came after theirs was put together without them');
});

test('Retry-After is waited for', async () => {
  const monitor = await startMonitor(() => (monitor.asked.length === 1 ? refusal(503, 'must wait', {}, { 'Retry-After': '2' }) : null));
  startSender(monitor.url, 1);
  await expect.poll(() => monitor.taken.length).toBe(1);
  const [first, second] = monitor.asked.map(({ at }) => at);
  expect(second).toBeGreaterThanOrEqual(first + 1990);
});

test.each([true, false])('a closing sender is not held up by it, and tries a last time (asked before: %s)', async (before) => {
  const monitor = await startMonitor(() => (monitor.asked.length === 1 ? refusal(429, 'must wait', {}, { 'Retry-After': '250' }) : null));
  const { close } = startSender(monitor.url, 2);
  if (before) await expect.poll(() => monitor.asked.length).toBe(1);
  expect(await close()).toBe(0);
  expect([numbers(monitor.taken), monitor.closed]).toEqual([[1, 2], ['sent']]);
});

test('a monitor that hangs does not hold up the end', async () => {
  const port = await listenLocally(() => {});
  const { close, queue } = startSender(`http://127.0.0.1:${port}/`, 2);
  await expect.poll(() => queue.sending !== null).toBe(true);
  expect(await close()).toBe(2);
});

test('that a run has ended is said again where it was not heard', async () => {
  const ends = () => monitor.asked.filter(({ method }) => method === 'PUT').length;
  const monitor = await startMonitor(({ method }) => (method === 'PUT' && ends() === 1 ? { status: 502 } : null));
  expect(await startSender(monitor.url, 1).close()).toBe(0);
  expect(monitor.closed).toEqual(['sent']);
});

test('the key goes with every request', async () => {
  const monitor = await startMonitor(() => null);
  await startSender(monitor.url, 2).close();
  expect(monitor.asked.map(({ method, key }) => [method, key])).toEqual([
    ['POST', KEY],
    ['PUT', KEY],
  ]);
});

/** Answers that these runs go on in other trainings. */
const elsewhere =
  (free: Record<string, string>) =>
  ({ run }: Asked): Answer | null =>
    run in free ? refusal(409, `must be another name: ${free[run]} is free`, { field: 'run', free: free[run] }) : null;

test('a run that goes on in another training: asked for again, then sent under the free name with all there is', async () => {
  const monitor = await startMonitor(elsewhere({ sent: 'sent-2' }));
  const { queue, lines, renamed, add, close } = startSender(monitor.url, 3, { limits: { askMs: 300, overMs: 2000 } });
  await expect.poll(() => monitor.asked.length).toBeGreaterThanOrEqual(3);
  expect(queue.waiting).toHaveLength(3);
  add(4);
  await expect.poll(() => monitor.taken.map(({ run, step }) => `${run} ${step}`)).toEqual([1, 2, 3, 4].map((step) => `sent-2 ${step}`));
  expect([await close(), queue.dropped, renamed, monitor.closed]).toEqual([0, 0, ['sent-2'], ['sent-2']]);
  expect(lines.filter((line) => line.includes('ANOTHER TRAINING'))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('is sent as run sent-2 from now on'))).toHaveLength(1);
  const asking = monitor.asked.filter(({ run, method }) => run === 'sent' && method === 'POST').slice(1);
  expect(asking.every(({ steps }) => steps.length === 1)).toBe(true);
});

test('it gets its name where the other training ends meanwhile', async () => {
  const free: Record<string, string> = { sent: 'sent-2' };
  const monitor = await startMonitor((asked) => elsewhere(free)(asked));
  const { renamed, all } = startSender(monitor.url, 3, { limits: { askMs: 200, overMs: 60_000 } });
  await expect.poll(() => monitor.asked.length).toBe(2);
  delete free['sent'];
  await expect.poll(() => numbers(monitor.taken)).toEqual([1, 2, 3]);
  expect([renamed, monitor.taken[0].run]).toEqual([[], 'sent']);
  expect(all()).toContain("it is this training's now");
});

test.each([true, false])('at its end it goes over at once (asked before: %s)', async (before) => {
  const monitor = await startMonitor(elsewhere({ sent: 'sent-2', 'sent-2': 'sent-3' }));
  const { close } = startSender(monitor.url, 3);
  if (before) await expect.poll(() => monitor.asked.length).toBe(1);
  expect(await close()).toBe(0);
  expect([monitor.taken.map(({ run }) => run), monitor.closed]).toEqual([['sent-3', 'sent-3', 'sent-3'], ['sent-3']]);
});

test('with nothing left to send no other run is begun', async () => {
  const free: Record<string, string> = {};
  const monitor = await startMonitor((asked) => elsewhere(free)(asked));
  const { close, renamed, all } = startSender(monitor.url, 2);
  await expect.poll(() => monitor.taken.length).toBe(2);
  free['sent'] = 'sent-2';
  expect(await close()).toBe(0);
  expect([renamed, monitor.asked.filter(({ run }) => run === 'sent-2')]).toEqual([[], []]);
  expect(all()).toContain('its end is not known there');
});
