/** What of a dropped file is validated before it is kept: what is no recording, or made to harm, is refused with its rule. */
import { readdirSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { SeriesAnswer } from '../../src/telemetry/api.ts';
import { json, start } from '../support/service.ts';
import { recording, upload, uploadsOf } from '../support/uploads.ts';

const changed = (sql: string) => () => recording({ sql });
const sparse = (sql: string) => () => recording({ sql, sparse: true });
/** A packed array of so many bytes, in SQL. */
const packedBytes = (size: number) => `x'${deflateRawSync(Buffer.alloc(size)).toString('hex')}'`;
const truncated = () => recording({ steps: 300 }).subarray(0, 40_000);
const flipped = () => {
  const body = recording({ steps: 300 });
  body.fill(0xff, 3 * 4096, 12 * 4096);
  return body;
};
test.each<[string, () => Uint8Array, RegExp]>([
  ['nothing', () => new Uint8Array(), /not a database/],
  ['a text', () => Buffer.from('hello '.repeat(100)), /not a database/],
  ['a header only', () => recording().subarray(0, 100), /version reads|whole/],
  ['another database', changed('PRAGMA application_id = 7'), /application_id is 7/],
  ['one of a newer version', changed('PRAGMA user_version = 99'), /schema version 99, this gainwatch reads up to 7/],
  ['a truncated one', truncated, /malformed|whole/],
  ['a damaged one', flipped, /whole|version reads/],
  ['one without a step', () => recording({ steps: 0 }), /must have a step/],
  ['one with a run name that is none', () => recording({ run: '../../etc/passwd' }), /run name/],
  ['one with a trigger', changed('CREATE TRIGGER t AFTER INSERT ON steps BEGIN DELETE FROM steps; END'), /nothing else/],
  ['one with another view', changed('CREATE VIEW v AS SELECT 1'), /nothing else/],
  ['one with a table that is a view', changed('DROP TABLE detectors; CREATE VIEW detectors AS SELECT 1 AS state'), /else/],
  ['one with another table', changed('CREATE VIRTUAL TABLE f USING fts5(x)'), /nothing else/],
  ['one with an index that computes', changed('CREATE INDEX i ON steps (abs(loss))'), /nothing else/],
  ['one with a column that computes', changed('ALTER TABLE steps ADD COLUMN x AS (hex(loss))'), /nothing else/],
  ['one that lacks a table', changed('DROP TABLE buckets'), /nothing else/],
  ['one whose arrays are too short', changed("UPDATE steps SET measures = x'00' WHERE step = 3"), /as many values/],
  ['one whose buckets are texts', changed("UPDATE buckets SET scalars_min = 'x'"), /as many values/],
  ['one without connections', changed("UPDATE attempts SET connections = '[]'"), /connections/],
  ['one with nonsense for connections', changed("UPDATE attempts SET connections = '[null, 7'"), /whole/],
  ['one with a thousand streams', changed('UPDATE attempts SET streams = 1000'), /connections/],
  ['one with a warning that is none', changed("UPDATE warnings SET warning = 'null'"), /objects as warnings/],
  ['one with a warning of no JSON', changed("UPDATE warnings SET warning = '{'"), /whole/],
  ['one with a text for a time', changed("UPDATE steps SET time = 'abc' WHERE step = 3"), /whole number .* as time in steps/],
  ['one with a time that no date has', changed('UPDATE steps SET time = 9e15 WHERE step = 3'), /as time in steps/],
  ['one with a text for a step', changed("UPDATE steps SET step = 'x' WHERE step = 3"), /whole number .* as step in steps/],
  ['one with nonsense for step_seconds', changed("UPDATE steps SET step_seconds = 'x' WHERE step = 3"), /as step_seconds in steps/],
  ['one with nonsense for loss', changed("UPDATE steps SET loss = 'nan' WHERE step = 3"), /as loss in steps/],
  ['one with nonsense for gradient_norm', changed("UPDATE steps SET gradient_norm = x'00' WHERE step = 3"), /as gradient_norm in steps/],
  ['one with nonsense for learning_rate', changed("UPDATE steps SET learning_rate = '1' WHERE step = 3"), /as learning_rate in steps/],
  ['one with nonsense for composite_gain', changed("UPDATE steps SET composite_gain = '' WHERE step = 3"), /as composite_gain in steps/],
  ['one with a text for the overhead', changed("UPDATE steps SET overhead_seconds = 'x'"), /as overhead_seconds in steps/],
  ['one with an endless overhead', changed('UPDATE steps SET overhead_seconds = 9e999'), /as overhead_seconds in steps/],
  ['one with a text for a counter', changed("UPDATE steps SET errors = 'x'"), /as errors in steps/],
  ['one with a text for a total', changed('UPDATE steps SET memory_totals = \'{"allocated":"zz"}\''), /as memory_totals in steps/],
  ['one with an endless total', changed('UPDATE steps SET memory_totals = \'{"allocated":1e999}\''), /as memory_totals in steps/],
  ['one with an array for totals', changed("UPDATE steps SET memory_totals = '[1]'"), /as memory_totals in steps/],
  ['one with nonsense for totals', changed("UPDATE steps SET memory_totals = '{'"), /as memory_totals in steps/],
  ['one with other kinds of memory', changed("UPDATE attempts SET memory_kinds = json_array('a', 'b', 'c', 'd', 'e')"), /memory_kinds/],
  ['one with a text for its beginning', changed("UPDATE attempts SET started_at = 'x'"), /as started_at in attempts/],
  ['one with an end that is none', changed("UPDATE attempts SET outcome = 'x'"), /as outcome in attempts/],
  ['one with a text for the first step of a bucket', changed("UPDATE buckets SET first_step = 'x'"), /as first_step in buckets/],
  ['one with a text for the end of a warning', changed("UPDATE warnings SET cleared_time = 'x'"), /as cleared_time in warnings/],
  ...[
    ['suspects', 'null'],
    ['suspects', '[1]'],
    ['connection', '{"a":1}'],
    ['step', '"x"'],
    ['time', '1.5'],
    ['rule', '"none"'],
    ['severity', '"none"'],
    ['measure', '7'],
    ['value', '"Inf"'],
    ['threshold', '"x"'],
    ['threshold', '1e999'],
    ['stepsLeft', '"x"'],
    ['interval', '[1]'],
    ['interval', '[null,1]'],
    ['message', 'null'],
    ['runbook', '"javascript:1"'],
  ].map(([field, value]): [string, () => Uint8Array, RegExp] => [
    `one with a warning whose ${field} is ${value}`,
    changed(`UPDATE warnings SET warning = json_set(warning, '$.${field}', json('${value}'))`),
    new RegExp(`as ${field} of a warning$`),
  ]),
  ...[
    ['7', 'a JSON object or NULL as cause of a warning'],
    ['not JSON', 'a JSON object or NULL as cause of a warning'],
    ['null', 'a JSON object or NULL as cause of a warning'],
    ['[]', 'a JSON object or NULL as cause of a warning'],
    [{}, 'one of .* as kind of the cause of a warning'],
    [{ kind: 'none', connection: null, figures: {} }, 'one of .* as kind of the cause of a warning'],
    [{ kind: 'constructor', connection: null, figures: {} }, 'one of .* as kind of the cause of a warning'],
    [{ kind: 'spike', figures: { usual: 1 } }, 'as connection of the cause of a warning'],
    [{ kind: 'spike', connection: 7, figures: { usual: 1 } }, 'as connection of the cause of a warning'],
    [{ kind: 'spike', connection: null, figures: {} }, 'finite numbers \\(usual\\) as figures of the cause of a warning'],
    [{ kind: 'spike', connection: null, figures: { usual: 'NaN' } }, 'as figures of the cause of a warning'],
    ['{"kind":"spike","connection":null,"figures":{"usual":1e999}}', 'as figures of the cause of a warning'],
    [{ kind: 'spike', connection: null, figures: { usual: 1, more: 2 } }, 'as figures of the cause of a warning'],
    [{ kind: 'collapsed-start', connection: null, figures: [] }, 'finite numbers \\(none\\) as figures of the cause of a warning'],
    [{ kind: 'collapsed-start', connection: null, figures: {}, message: '<b>' }, 'nothing else, in the cause of a warning'],
  ].map(([cause, rule]): [string, () => Uint8Array, RegExp] => {
    const text = typeof cause === 'string' ? cause : JSON.stringify(cause);
    return [`one with the cause ${text}`, changed(`UPDATE warnings SET cause = '${text}'`), new RegExp(rule as string)];
  }),
  ['one with a BLOB for a cause', changed("UPDATE warnings SET cause = x'7b7d'"), /a JSON object or NULL as cause/],
  ['one with a text for a key', changed("UPDATE attempts SET key = 'secret'"), /SHA-256 .* as key in attempts/],
  ['one with no digits for a key', changed(`UPDATE attempts SET key = '${'g'.repeat(64)}'`), /as key in attempts/],
  ['one with a BLOB for a key', changed('UPDATE attempts SET key = zeroblob(64)'), /as key in attempts/],
  ...[
    '[[1.5,2]]',
    '[[0,-1]]',
    '["01"]',
    '[[0]]',
    '[[0,[1]]]',
    '{"0":[0,1]}',
    '[[0,1e999]]',
    '7',
    '[',
    `[${'[1,1],'.repeat(1999)}[1,1]]`,
  ].map((list): [string, () => Uint8Array, RegExp] => [
    `one with the ranks ${list.slice(0, 20)}`,
    changed(`UPDATE steps SET ranks = '${list}' WHERE step = 3`),
    /as ranks in steps/,
  ]),
  ['one that is packed twice', changed('UPDATE steps SET packed = 2'), /number from 0 to 1 as packed in steps/],
  ['one with a text for packed', changed("UPDATE buckets SET packed = 'x'"), /as packed in buckets/],
  ['one that is said to be packed', changed('UPDATE steps SET packed = 1 WHERE step = 3'), /packed arrays of as many values/],
  ['one whose buckets are said to be packed', changed('UPDATE buckets SET packed = 1'), /packed arrays of as many values/],
  ['one that is said not to be packed', sparse('UPDATE steps SET packed = 0 WHERE step = 3'), /as many values/],
  ['one with a bomb', sparse(`UPDATE steps SET mapping = ${packedBytes(1 << 26)} WHERE step = 3`), /packed arrays of as many values/],
  ['one with a bomb in a bucket', sparse(`UPDATE buckets SET measures_max = ${packedBytes(1 << 26)}`), /packed arrays of as many values/],
  ['one with a short packed array', sparse(`UPDATE steps SET mapping = ${packedBytes(4)}`), /packed arrays of as many values/],
  ['one with an empty packed array', sparse("UPDATE steps SET measures = x''"), /packed arrays of as many values/],
  ['one with a broken packed array', sparse("UPDATE steps SET measures = x'ffff'"), /packed arrays of as many values/],
  ['one with a number for a packed array', sparse('UPDATE steps SET measures = 7'), /as many values/],
  ['one with a warning without suspects', changed("UPDATE warnings SET warning = json_remove(warning, '$.suspects')"), /as suspects of/],
])('%s is refused, and nothing of it stays', async (_what, body, rule) => {
  const service = await start();
  const answer = await upload(service, body());
  expect(answer.status).toBe(400);
  expect(answer.body.error).toEqual({ field: 'recording', rule: expect.stringMatching(rule), value: answer.body.error?.['value'] });
  expect(readdirSync(uploadsOf(service))).toEqual([]);
  expect(await json(service, 'api/v1/runs')).toEqual([]);
});

test('one with packed rows, a key and ranks is taken, and read', async () => {
  const service = await start();
  const sql = `UPDATE attempts SET key = '${'0a'.repeat(32)}'; UPDATE steps SET ranks = '[[3,3],[9,511]]' WHERE step = 4`;
  expect(await upload(service, recording({ sparse: true, sql }))).toEqual({ status: 201, body: { run: 'hc' } });
  const series = await json<SeriesAnswer>(service, 'api/v1/runs/hc/series?measure=forwardGain');
  expect(series.steps).toHaveLength(20);
  expect(series.series[0].min.every((value) => typeof value === 'number' && value > 0)).toBe(true);
  expect((await json<SeriesAnswer>(service, 'api/v1/runs/hc/series?measure=backwardGain')).series[0].max[0]).toBe('NaN');
});
