/** A rank that was turned away is not one that stays away: the ingest knows of it, so that steps wait for it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { expect, onTestFinished, test } from 'vitest';
import { createIngest } from '../../dist/plugin/ingest/knownRuns.js';
import { createPipeline } from '../../dist/plugin/pipeline/pipeline.js';
import { createIngestRoutes } from '../../dist/plugin/server/ingestRoutes.js';
import { temporaryFolder } from '../support/folders.ts';
import { sendJson } from '../support/wire.ts';

test('of a run whose steps are answered with 503 it is known', async () => {
  const nothing = { recorder: null, keeps: true, now: Date.now, onProblem: () => {} };
  const ingest = createIngest(createPipeline({ directory: temporaryFolder(), ...nothing }));
  const server = createServer(express().use('/api/v1', createIngestRoutes(ingest)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const answer = sendJson({ url }, 'train', { step: 1, attempt: 'a', order: ['x'] }).catch(() => null); // no page of errors here
  await expect.poll(() => ingest.refused.get(503)).toBe(1);
  await answer;
  expect([...ingest.turnedAway.keys()]).toEqual(['train']);
});
