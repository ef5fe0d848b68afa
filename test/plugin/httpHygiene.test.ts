/** Whatever is asked, and however: an answer in JSON that names field, rule and value, never a path or a stack, and the process goes on. */
import { METHODS } from 'node:http';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { closeRun, handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import type { Service } from '../../dist/plugin/service.js';
import { testHeader, testReport } from '../support/samples.ts';
import { ask, sendRaw, start } from '../support/service.ts';

const header = testHeader('hc');

async function startWithRun(...change: Parameters<typeof start>) {
  const service = await start(...change);
  const run = openRun(service.pipeline, header);
  handleReport(service.pipeline, run, testReport(header, 1));
  closeRun(service.pipeline, run, 'completed');
  return service;
}

/** Is it an answer of ours? 503 and 507 are named refusals. */
function expectOurs(status: number, body: string, what: string): void {
  expect(status < 500 || status === 503 || status === 507, `${what}: ${status} ${body}`).toBe(true);
  if (status < 400 || body === '') return;
  expect(Object.keys((JSON.parse(body) as { error: object }).error).sort(), what).toEqual(['field', 'rule', 'value']);
  expect(body, what).not.toMatch(/node_modules|\.[jt]s\b|\/tmp\//);
}

describe('no request is a fault of the server:', () => {
  const PIECES = [
    'api',
    'v1',
    'runs',
    'hc',
    'steps',
    'latest',
    'series',
    'warnings',
    '0',
    'acknowledge',
    'stream',
    'recordings',
    'metrics',
    'sd',
  ];
  const odd = [
    '',
    '.',
    '..',
    '%2e%2e',
    '%ff',
    '%',
    '%00',
    '%2F',
    '*',
    '__proto__',
    'constructor',
    ':run',
    'é',
    'x'.repeat(3000),
    '//evil.example',
    '\\',
    '@',
    '~',
  ];
  const path = fc.oneof(
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        '/api/v1/runs/hc',
        '/api/v1/runs/hc/steps',
        '/api/v1/runs/hc/series',
        '/metrics',
        '/sd',
        '/',
        '/api/v1/recordings',
      ),
    },
    { weight: 3, arbitrary: fc.array(fc.constantFrom(...PIECES, ...odd), { maxLength: 7 }).map((parts) => `/${parts.join('/')}`) },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 40 }).map((text) => `/${text.replace(/[ #]/g, '')}`) },
  );
  const query = fc
    .array(
      fc.constantFrom(
        'measure=loss',
        'measure=forwardGain',
        'run=hc',
        'run=',
        'from=1',
        'to=-1',
        'points=1e9',
        'points=9',
        '__proto__=1',
        'token=%ff',
        'attempt=%',
        '%ff=%ff',
        '=',
        'x',
      ),
      { maxLength: 5 },
    )
    .map((fields) => (fields.length === 0 ? '' : `?${fields.join('&')}`));
  const value = fc.oneof(
    fc.constantFrom(
      'same-origin',
      'cross-site',
      'none',
      'gzip',
      'identity;q=0',
      'application/json',
      '*/*;q=0',
      'text/html',
      'null',
      '1',
      '-1',
      '1e999',
      'hc:1:1',
      'hc:99999999999999999999:1',
      '__proto__:1:1',
      'bytes=0-1',
      'bytes=5-1',
      '100-continue',
      'x'.repeat(2000),
    ),
    fc.string({
      unit: fc
        .integer({ min: 0x21, max: 0xff })
        .filter((code) => code !== 0x7f)
        .map((code) => String.fromCharCode(code)),
      maxLength: 30,
    }),
  );
  const name = fc.constantFrom(
    ...[
      'Accept',
      'Accept-Encoding',
      'Authorization',
      'Content-Encoding',
      'Content-Type',
      'Cookie',
      'Expect',
      'Gainwatch-Version',
      'Host',
      'If-Modified-Since',
    ],
    ...[
      'If-None-Match',
      'Last-Event-ID',
      'Origin',
      'Range',
      'Sec-Fetch-Site',
      'Sec-Fetch-Mode',
      'Upgrade',
      'X-Forwarded-Proto',
      'X-HTTP-Method-Override',
    ],
  );
  const headers = fc.dictionary(name, value, { maxKeys: 4 });
  const method = fc.constantFrom('GET', 'GET', 'GET', 'PUT', 'POST', 'DELETE', ...METHODS.filter((verb) => verb !== 'CONNECT'));
  const body = fc.constantFrom('', '{}', '[', '{"step":1}', '\u0000\u0001', '[{"step":1,"order":["a"],"measures":{}}]');

  const request = fc.record({ method, path, query, headers, body });
  type Request = typeof request extends fc.Arbitrary<infer R> ? R : never;

  async function answerOf(service: Service, { method: verb, path: where, query: fields, headers: given, body: text }: Request) {
    const lines = Object.entries({ Host: 'localhost', ...given }).map(([key, said]) => `${key}: ${said}\r\n`);
    const length = Buffer.byteLength(text);
    const head = `${verb} ${where}${fields} HTTP/1.1\r\n${lines.join('')}Content-Length: ${length}\r\nConnection: close\r\n\r\n`;
    return { head, ...parse(await sendRaw(service, Buffer.from(head + text, 'latin1'))) };
  }

  test('methods × paths × headers × bodies', async () => {
    const service = await startWithRun();
    await fc.assert(
      fc.asyncProperty(request, async (asked) => {
        const isStream = /^\/api\/v1\/stream\/?$/i.test(asked.path) && asked.method === 'GET';
        const isEnd = asked.method === 'DELETE' && /runs\/hc\/?$/i.test(asked.path); // deleteRun.test.ts
        if (isStream || isEnd) return;
        const { head, status, body: said } = await answerOf(service, asked);
        expectOurs(status, said, head);
      }),
      { numRuns: 400 },
    );
    expect(service.problems).toEqual([]);
  }, 120_000);

  test('and without a token none of them gets or changes anything', async () => {
    const service = await startWithRun({ decideToken: 'view-and-decide' });
    await fc.assert(
      fc.asyncProperty(request, async (asked) => {
        const { head, status, body: said } = await answerOf(service, asked);
        expect([400, 401, 404, 405, 421], head).toContain(status);
        if (!said.startsWith('<')) expectOurs(status, said, head);
        expect(said, head).not.toMatch(/mhc_|"hc"/);
      }),
      { numRuns: 200 },
    );
    expect((await ask(service, '/api/v1/runs', { Authorization: 'Bearer view-and-decide' })).body).toContain('"run":"hc"');
    expect(service.problems).toEqual([]);
  }, 120_000);

  /** Of the last answer: one of 100 may come before it. */
  function parse(text: string) {
    const [head, ...rest] = text.replace(/^HTTP\/1\.1 100 [^\r]*\r\n\r\n/, '').split('\r\n\r\n');
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
    const isChunked = /transfer-encoding: chunked/i.test(head);
    const body = rest.join('\r\n\r\n');
    return { status, body: isChunked ? body.replace(/^[0-9a-f]+\r\n|\r\n0\r\n.*$/gs, '') : body };
  }

  test.each([
    ['an address of 20 kB', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 431, 'headers'],
    ['headers of 20 kB', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers'],
    ['a method that is none', 'BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n', 400, 'request'],
    ['no HTTP', '\u0016\u0003\u0001\u0002', 400, 'request'],
    ['no Host', 'GET /sd HTTP/1.1\r\nConnection: close\r\n\r\n', 421, 'Host'],
    ['TRACE', 'TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 405, 'method'],
    ['OPTIONS', 'OPTIONS /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 405, 'method'],
    ['a length that is none', 'PUT /api/v1/runs/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n', 400, 'request'],
    ['two lengths', 'PUT /api/v1/runs/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400, 'request'],
    ['a path that is no UTF-8', 'GET /api/v1/runs/%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400, 'path'],
    ['another expectation', 'GET /nothing HTTP/1.1\r\nHost: localhost\r\nExpect: rain\r\nConnection: close\r\n\r\n', 404, 'path'],
  ])('%s', async (_what, bytes, status, field) => {
    const service = await start();
    const answer = parse(await sendRaw(service, bytes));
    expect([answer.status, JSON.parse(answer.body).error.field]).toEqual([status, field]);
  });

  test('a second request in the middle of an answer breaks nothing of it', async () => {
    const service = await startWithRun();
    const text = await sendRaw(service, 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\nNONSENSE\r\n\r\n');
    expect(text).not.toMatch(/HTTP\/1\.1 400.*mhc_/s);
    expect((await ask(service, '/healthz')).status).toBe(200);
  });
});

test('HEAD of the stream ends at once, with the headers of the stream', async () => {
  const answer = await ask(await start(), '/api/v1/stream', {}, 'HEAD');
  expect(answer).toMatchObject({ status: 200, body: '', headers: { 'content-type': expect.stringContaining('text/event-stream') } });
});
