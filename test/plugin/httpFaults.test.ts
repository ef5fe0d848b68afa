/** What goes wrong in the server, and connections that waste its time: what is answered, what is logged, and that it goes on. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import express from 'express';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { closeRun, handleReport, openRun } from '../../dist/plugin/pipeline/pipeline.js';
import { FieldError } from '../../plugin/fieldError.ts';
import { toReadError, toWriteError } from '../../plugin/fileErrors.ts';
import { answerError } from '../../plugin/server/answerError.ts';
import { createHttpServer } from '../../plugin/server/httpServer.ts';
import { listen } from '../../plugin/server/listen.ts';
import { temporaryFolder } from '../support/folders.ts';
import { testHeader, testReport } from '../support/samples.ts';
import { listenLocally } from '../support/servers.ts';
import { ask, start } from '../support/service.ts';

const header = testHeader('hc');

async function startWithRun() {
  const service = await start();
  const run = openRun(service.pipeline, header);
  handleReport(service.pipeline, run, testReport(header, 1));
  closeRun(service.pipeline, run, 'completed');
  return service;
}

describe('a fault of the server', () => {
  test('is told without path and stack, and logged with them, once', async () => {
    const service = await startWithRun();
    service.pipeline.live.set('bad', null as never);
    onTestFinished(() => void service.pipeline.live.delete('bad'));
    for (const path of ['/api/v1/runs', '/api/v1/runs']) {
      const answer = await ask(service, path);
      expect([answer.status, JSON.parse(answer.body)]).toEqual([
        500,
        { error: { field: 'server', rule: 'failed here: the log of the monitor says why', value: null } },
      ]);
    }
    expect(service.problems).toEqual([expect.stringMatching(/^GET \/api\/v1\/runs failed here: TypeError: .*runAnswers/s)]);
  });

  test('a file that is no recording is called by its name, without its folder', async () => {
    const directory = temporaryFolder();
    writeFileSync(join(directory, 'broken.sqlite'), 'x'.repeat(5000));
    const service = await start({ directory });
    for (const path of ['', '/warnings', '/steps/latest', '/series?measure=loss']) {
      const answer = await ask(service, `/api/v1/runs/broken${path}`);
      expect(answer.status).toBe(500);
      expect(answer.body).toContain('broken.sqlite is not a gainwatch recording');
      expect(answer.body).not.toContain(directory);
    }
    expect(service.problems.join()).toContain(directory);
  });

  test.each([
    ['what cannot be written as JSON', () => Promise.reject(new FieldError('x', 'is odd', 1n))],
    ['something that is no error', () => Promise.reject(null)],
    [
      'an error that throws when it is looked at',
      () =>
        Promise.reject(
          Object.defineProperty(new Error('x'), 'stack', {
            get: () => {
              throw new Error('y');
            },
          }),
        ),
    ],
    [
      'one after the headers',
      (response: express.Response) => {
        response.write('x');
        throw new Error('late');
      },
    ],
  ] as [string, (response: express.Response) => unknown][])('%s: the request ends, the server goes on', async (_what, fail) => {
    const app = express();
    app.get('/', async (_request, response) => fail(response) as never);
    app.get('/well', (_request, response) => void response.send('well'));
    app.use(answerError(() => {}));
    const port = await listenLocally(app);
    await ask({ port }, '/').catch(() => {});
    expect((await ask({ port }, '/well')).body).toBe('well');
  });

  test.each([
    ['ENOSPC', 507],
    ['SQLITE_FULL', 507],
    ['EDQUOT', 507],
    ['EROFS', 503],
    ['EACCES', 503],
    ['EMFILE', 503],
    ['SQLITE_READONLY_DBMOVED', 503],
    ['SQLITE_IOERR_WRITE', 503],
  ])('%s of a disk is answered with %i and no path', (code, status) => {
    const error = toWriteError(
      Object.assign(new Error(`${code}: '/secret/place'`), { code }),
      'recording',
      'cannot be kept',
      null,
    ) as FieldError;
    expect(error).toBeInstanceOf(FieldError);
    expect(error.status).toBe(status);
    expect(error.rule).toMatch(/^cannot be kept: [a-z ]+$/);
  });

  test('what is no refusal of a disk stays what it is; a lock is 503', () => {
    const other = new TypeError('x');
    expect(toWriteError(other, 'recording', 'cannot be kept', null)).toBe(other);
    expect(toReadError(other, '/', 'b')).toBe(other);
    expect(toReadError(other, '/none/b.sqlite', 'b')).toMatchObject({ status: 404 });
    expect(toReadError(Object.assign(new Error('busy'), { code: 'SQLITE_BUSY_RECOVERY' }), '/a/b', 'b')).toMatchObject({ status: 503 });
  });
});

describe('connections:', () => {
  const open = async (port: number, text: string): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    await once(socket, 'connect');
    socket.write(text);
    return socket;
  };

  test('headers that never end take no place from others: the one that waits longest is closed', async () => {
    const service = await start();
    const working = ask(service, '/api/v1/stream'); // open all the while
    const first = await open(service.port, 'GET / HTTP/1.1\r\nX: ');
    let closed = false;
    first.on('close', () => {
      closed = true;
    });
    const rest = await Promise.all(Array.from({ length: 1030 }, () => open(service.port, 'GET / HTTP/1.1\r\nX: ')));
    onTestFinished(() => void [first, ...rest].map((socket) => socket.destroy()));
    await expect.poll(() => closed).toBe(true);
    expect((await ask(service, '/healthz')).status).toBe(200);
    await service.close();
    expect((await working.catch(() => ({ status: 200 }))).status).toBe(200);
  }, 30_000);

  test('one that cannot be accepted ends nothing, and is said once', async () => {
    const said: string[] = [];
    const server = createHttpServer(
      (_request, response) => response.end('well'),
      (_key, message) => said.push(message),
    );
    const port = await listen(server, '127.0.0.1', 0, true);
    onTestFinished(() => void server.close());
    server.emit('error', new Error('accept EMFILE'));
    expect((await ask({ port }, '/')).body).toBe('well');
    expect(said).toEqual(['a connection could not be accepted: accept EMFILE']);
  });

  test('are limited in number and time', () => {
    const server = createHttpServer(
      () => {},
      () => {},
    );
    expect(server.maxConnections).toBeLessThan(10_000);
    expect(server.headersTimeout).toBeLessThan(60_000);
    for (const time of [server.timeout, server.keepAliveTimeout]) expect(time).toBeGreaterThan(server.headersTimeout);
    expect(server.requestTimeout).toBe(3_600_000);
  });

  test('an upload that crawls is refused after a minute, and the next one is taken', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const service = await start();
    const socket = await open(service.port, 'POST /api/v1/recordings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\nx');
    let answer = '';
    socket.on('data', (data) => {
      answer += data;
    });
    await expect.poll(async () => (await ask(service, '/api/v1/recordings', {}, 'POST', Buffer.from('x'))).status).toBe(503);
    socket.write('x'.repeat(1000));
    const afterAMinute = () => {
      vi.advanceTimersByTime(60_000);
      return answer;
    };
    await expect.poll(afterAMinute).toMatch(/^HTTP\/1\.1 408 .*must come with at least 3932160 bytes in 60 s/s);
    await expect.poll(async () => (await ask(service, '/api/v1/recordings', {}, 'POST', Buffer.from('x'))).status).toBe(400);
    socket.destroy();
  });
});
