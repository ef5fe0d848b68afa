/** Bodies that come slowly, in pieces, or never to an end: they cost themselves, and keep no place from others. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import express, { type ErrorRequestHandler } from 'express';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { FieldError } from '../../plugin/fieldError.ts';
import { BODY_LIMITS, type BodyLimits, createBodyReader } from '../../plugin/server/readBody.ts';
import { answerTo, begin, start } from '../support/service.ts';
import { sendJson } from '../support/wire.ts';

/** A server that says how many bytes came. */
async function serve(change: Partial<BodyLimits> = {}) {
  const app = express();
  app.post('/', createBodyReader({ ...BODY_LIMITS, ...change }), (request, response) => void response.json(request.body.length));
  app.use(
    ((error: FieldError, _request, response, _next) => void response.status(error.status).json(error.rule)) satisfies ErrorRequestHandler,
  );
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  return { port: (server.address() as AddressInfo).port };
}

/** A request of which so much has come, and that says no more. */
function stalled({ port }: { port: number }, path: string, sent = 'x', headers = '') {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}Content-Length: 1000000\r\n\r\n${sent}`,
  );
  onTestFinished(() => void socket.destroy());
  let answer = '';
  socket.on('data', (chunk) => {
    answer += String(chunk);
  });
  return { socket, answer: () => answer, closed: once(socket, 'close') };
}

test.each([
  ['as it is', {}, (body: Buffer) => body],
  ['packed', { 'Content-Encoding': 'gzip' }, gzipSync],
])('a body %s is read whole, in whatever pieces it comes', async (_what, headers, pack) => {
  const server = await serve();
  const body = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * i) % 251));
  expect(await answerTo(begin(server, '/', headers).end(pack(body)))).toMatchObject({ status: 200, body: '200000' });
  const pieces = begin(server, '/', headers);
  for (const byte of pack(body.subarray(0, 300))) pieces.write(Buffer.of(byte));
  expect(await answerTo(pieces.end())).toMatchObject({ status: 200, body: '300' });
  expect(await answerTo(begin(server, '/').end())).toMatchObject({ status: 200, body: '0' });
});

test.each([
  ['one that is announced too large', { 'Content-Length': 101 }, '', 413],
  ['one that is too large', {}, 'x'.repeat(101), 413],
  ['one that is too large unpacked', { 'Content-Encoding': 'gzip' }, gzipSync(Buffer.alloc(1e7)), 413],
  ['one that is not packed', { 'Content-Encoding': 'gzip' }, 'x', 400],
  ['one that is packed and cut', { 'Content-Encoding': 'gzip' }, gzipSync('some text').subarray(0, 15), 400],
  ['one that is packed in another way', { 'Content-Encoding': 'zstd' }, 'x', 415],
])('%s: refused', async (_what, headers, body, status) => {
  const request = begin(await serve({ bytes: 100 }), '/', headers);
  if (body === '') request.flushHeaders();
  else request.end(body);
  expect((await answerTo(request)).status).toBe(status);
});

test.each([
  ['too long', { ms: 200 }, 'must come within 0.2 s'],
  ['too slow', { graceMs: 200, slowest: 1e6 }, 'must come with 1000000 bytes a second or more'],
])('one that takes %s: 408, and its connection is closed', async (_what, limits, rule) => {
  const { answer, closed } = stalled(await serve(limits), '/');
  await closed;
  expect(answer()).toMatch(/^HTTP\/1.1 408 /);
  expect(answer()).toContain('Connection: close');
  expect(answer()).toContain(rule);
});

describe('where places or memory are used up', () => {
  test('the slowest goes for one that comes', async () => {
    const server = await serve({ bodies: 4, crowdedGraceMs: 0 });
    const slow = Array.from({ length: 4 }, (_, i) => stalled(server, '/', 'x'.repeat(100 * (i + 1))));
    await Promise.all(slow.map(({ socket }) => once(socket, 'connect')));
    await expect.poll(() => answerTo(begin(server, '/').end('honest'))).toMatchObject({ status: 200, body: '6' });
    await slow[0].closed;
    expect(slow.map(({ answer }) => answer().slice(9, 12))).toEqual(['408', '', '', '']);
  });

  test('what is not slow is not cut off: who comes is to come again', async () => {
    const server = await serve({ bodies: 1, crowdedGraceMs: 60_000 });
    stalled(server, '/');
    await expect.poll(async () => (await answerTo(begin(server, '/').end('x'))).status).toBe(503);
  });

  test('memory that stalled bodies hold is given back', async () => {
    const server = await serve({ heldBytes: 6e6, crowdedGraceMs: 0 });
    const packed = gzipSync(Buffer.alloc(1.5e6));
    const slow = [0, 1].map(() => stalled(server, '/', '', 'Content-Encoding: gzip\r\n'));
    for (const { socket } of slow) socket.write(packed);
    await expect.poll(async () => (await answerTo(begin(server, '/').end(Buffer.alloc(3e6)))).status).toBe(200);
  });
});

test.each([64, 200])('%i slow bodies keep nobody from sending', async (count) => {
  const service = await start();
  const slow = Array.from({ length: count }, () => stalled(service, '/api/v1/runs/slow/steps'));
  await Promise.all(slow.map(({ socket }) => once(socket, 'connect')));
  const dripping = setInterval(() => {
    for (const { socket } of slow) socket.write('x');
  }, 100);
  onTestFinished(() => clearInterval(dripping));
  for (const step of [1, 2, 3]) {
    expect(await sendJson(service, 'honest', { step, order: ['a'] })).toMatchObject({ status: 200, answer: { accepted: 1 } });
  }
  expect(slow.filter(({ answer }) => answer() !== '')).toEqual([]);
});
