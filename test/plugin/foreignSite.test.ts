/** What a page of another site may have: nothing but a link to the dashboard. */
import { expect, test } from 'vitest';
import { ask, start } from '../support/service.ts';

type Headers = Record<string, string>;
const LINK = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' };

/** Which requests of these headers are answered: reads, changes, and the page itself. */
const CASES: [headers: Headers, allowed: { read: boolean; change: boolean; page: boolean }][] = [
  [{}, { read: true, change: true, page: true }],
  [{ 'Sec-Fetch-Site': 'same-origin' }, { read: true, change: true, page: true }],
  [
    { 'Sec-Fetch-Site': 'same-origin', Origin: 'https://behind.a.proxy' },
    { read: true, change: true, page: true },
  ],
  [
    { Origin: 'http://localhost:8888', Host: 'localhost:8888' },
    { read: true, change: true, page: true },
  ],
  [
    { 'Sec-Fetch-Site': 'none', ...LINK },
    { read: true, change: false, page: true },
  ],
  [{ 'Sec-Fetch-Site': 'cross-site' }, { read: false, change: false, page: false }],
  [
    { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' },
    { read: false, change: false, page: false },
  ],
  [
    { 'Sec-Fetch-Site': 'cross-site', ...LINK },
    { read: false, change: false, page: true },
  ],
  [
    { 'Sec-Fetch-Site': 'cross-site', ...LINK, 'Sec-Fetch-Dest': 'iframe' },
    { read: false, change: false, page: false },
  ],
  [
    { 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'cors' },
    { read: false, change: false, page: false },
  ],
  [
    { 'Sec-Fetch-Site': 'same-site', ...LINK },
    { read: false, change: false, page: true },
  ],
  [{ 'Sec-Fetch-Site': 'of-the-future' }, { read: false, change: false, page: false }],
  [{ Origin: 'https://evil.example' }, { read: false, change: false, page: false }],
  [
    { Origin: 'http://localhost:3000', Host: 'localhost:8888' },
    { read: false, change: false, page: false },
  ],
  [{ Origin: 'null' }, { read: false, change: false, page: false }],
];

const READS = ['/metrics', '/sd', '/api/v1/runs', '/api/v1/rights', '/api/v1/runs/hc/series?measure=loss', '/icon.svg'];
const CHANGES: [method: string, path: string][] = [
  ['POST', '/api/v1/runs/hc/warnings/0/acknowledge'],
  ['PUT', '/api/v1/runs/hc'],
  ['DELETE', '/api/v1/runs/hc'],
  ['POST', '/api/v1/none'],
];

test.each(CASES)('%j: %j', async (headers, allowed) => {
  const service = await start();
  const isForbidden = async (path: string, method = 'GET') => (await ask(service, path, headers, method)).status === 403;
  for (const path of READS) expect(await isForbidden(path), path).toBe(!allowed.read);
  for (const [method, path] of CHANGES) expect(await isForbidden(path, method), path).toBe(!allowed.change);
  expect(await isForbidden('/')).toBe(!allowed.page);
  expect((await ask(service, '/healthz', headers)).status).toBe(200);
  const guarded = await start({ token: 'correct-horse' });
  expect((await ask(guarded, '/api/v1/recordings', headers, 'POST')).status).toBe(401);
  expect((await ask(guarded, '/?token=correct-horse', headers)).status).toBe(allowed.page ? 303 : 401);
  const bearer = { ...headers, Authorization: 'Bearer correct-horse' };
  expect((await ask(guarded, '/api/v1/runs', bearer)).status).toBe(allowed.read ? 200 : 403);
});
