/** The checker sees what it is for: recordings that a real service made, spoilt by SQL in one way each. */
import { copyFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import { temporaryFolder } from '../support/folders.ts';
import { changeRecording } from '../support/recorded.ts';
import { start } from '../support/service.ts';
import { check } from './check.ts';
import { countAcknowledged, type Ledger, noteAcknowledged, noteSent } from './ledger.ts';
import { type RecordingFile, readRows } from './recordingRows.ts';
import { runTraining } from './sender.ts';
import type { Training } from './truth.ts';

const STEPS = 6;
const BASE: Training = {
  id: 1,
  run: 'train',
  key: 'key-of-this-training',
  ranks: 1,
  stages: 1,
  layers: 2,
  form: 'json',
  opens: true,
  attempts: [{ name: 'first', order: Array.from({ length: STEPS }, (_, i) => i + 1), closes: true }],
  stepMs: 1,
  batch: 3,
  resends: 0.5,
  at: 0,
};

/** Sends trainings, each by its id as its run, to one service. @returns what is to be checked of each */
async function send(trainings: readonly Training[]) {
  const directory = temporaryFolder();
  const service = await start({ directory });
  const sent = trainings.map(async (training) => {
    const ledger: Ledger = new Map();
    const counts = { answers: new Map(), refused: new Map() };
    const over = new AbortController().signal;
    const url = service.url.replace(/\/$/, '');
    const left = await runTraining(
      { url, ledger, now: () => 0, ...counts, random: () => 0.3, isEnding: false, over, onEvent: () => {}, onDetail: () => {} },
      training,
    );
    expect([left, counts.refused]).toEqual([0, new Map()]);
    const parts = training.ranks * training.attempts.reduce((sum, { order }) => sum + order.length, 0);
    expect(countAcknowledged(ledger)).toBe(parts);
    const file: RecordingFile = { path: recordingPath(directory, training.run), place: 'runs' };
    return { ledger, file };
  });
  const all = await Promise.all(sent);
  await service.close();
  return all;
}

const kinds = (ledger: Ledger, files: RecordingFile[]) => check(ledger, files.flatMap(readRows)).map(({ kind }) => kind);

test('what is kept as it was sent is fine', async () => {
  const changes: Record<string, Partial<Training>> = {
    JSON: {},
    matrices: { form: 'matrices' },
    'without attempt and key': { key: null, attempts: [{ ...BASE.attempts[0], name: '' }] },
    ranks: { ranks: 3 },
    'stages of JSON': { ranks: 4, stages: 2 },
    'stages of matrices': { ranks: 4, stages: 2, form: 'matrices' },
    'disorder, and a second attempt': { attempts: [{ name: 'a', order: [4, 5, 6, 1, 2, 3], closes: false }, BASE.attempts[0]] },
  };
  const all = await send(Object.values(changes).map((change, id) => ({ ...BASE, ...change, id, run: `train-${id}` })));
  const found = Object.keys(changes).map((what, i) => [what, kinds(all[i].ledger, [all[i].file])]);
  expect(found).toEqual(Object.keys(changes).map((what) => [what, []]));
});

/** What is done to a recording, and what is found then. */
const SPOILT: Record<string, [string, string[]]> = {
  'a step that is gone': ['DELETE FROM steps WHERE step = 3', ['missing']],
  'another loss': ['UPDATE steps SET loss = loss + 0.001 WHERE step = 3', ['wrong']],
  'no loss': ['UPDATE steps SET loss = NULL WHERE step = 3', ['wrong']],
  'the measures of another step': ['UPDATE steps SET measures = (SELECT measures FROM steps WHERE step = 2) WHERE step = 3', ['wrong']],
  'a rank that nobody has sent': ["UPDATE steps SET ranks = '[[1,1]]' WHERE step = 3", ['wrong']],
  'a rank too many': ["UPDATE steps SET ranks = '[[0,1]]' WHERE step = 3", ['wrong']],
  'a step of nobody': ['UPDATE steps SET step = 9 WHERE step = 3', ['unsent', 'missing']],
  'a step in two attempts of one source': [
    `CREATE TEMP TABLE a AS SELECT * FROM attempts; UPDATE a SET attempt = 2; INSERT INTO attempts SELECT * FROM a;
     CREATE TEMP TABLE s AS SELECT * FROM steps WHERE step = 3; UPDATE s SET attempt = 2; INSERT INTO steps SELECT * FROM s;`,
    ['twice'],
  ],
};

test('what is spoilt is found', async () => {
  const [{ ledger, file }] = await send([BASE]);
  const found = Object.entries(SPOILT).map(([what, [sql]], i) => {
    const path = `${file.path}-${i}`;
    copyFileSync(file.path, path);
    changeRecording(path, sql);
    return [what, kinds(ledger, [{ ...file, path }])];
  });
  expect(found).toEqual(Object.entries(SPOILT).map(([what, [, expected]]) => [what, expected]));
});

test('a rank whose part is not in it is missing; a moved file counts, a deleted one as far as it was acknowledged before', async () => {
  const all: string[] = Array.from({ length: STEPS }, () => 'missing');
  const [{ ledger, file }] = await send([BASE]);
  const ofTwo = structuredClone(ledger);
  for (const [key, entry] of ofTwo) {
    ofTwo.set(key, { ...entry, training: { ...BASE, ranks: 2 } });
    const steps = [...entry.steps.keys()];
    noteSent(ofTwo, entry.run, BASE, entry.attempt, 1, steps);
    noteAcknowledged(ofTwo, entry.run, entry.attempt, 1, steps, 1);
  }
  expect(kinds(ofTwo, [file])).toEqual(all);
  expect(kinds(ledger, [{ ...file, place: 'moved' }])).toEqual([]);
  expect(kinds(ledger, [{ ...file, place: 'deleted', deletedAt: 0 }])).toEqual([]);
  expect(kinds(ledger, [{ ...file, place: 'deleted', deletedAt: -10_000 }])).toEqual(all);
  expect(kinds(ledger, [])).toEqual(all);
});
