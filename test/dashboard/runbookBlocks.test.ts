/** The runbook as blocks. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { partsOf, readRunbook } from '../../dashboard/model/runbookBlocks.ts';
import { RULES } from '../../src/telemetry/warning.ts';

test('the runbook has an entry for each rule, as blocks', () => {
  const entries = readRunbook(readFileSync(new URL('../../alerts/runbook.md', import.meta.url), 'utf8'));
  for (const rule of RULES) expect(entries.get(rule)?.map(({ kind }) => kind)).toEqual(['text', 'text', 'text', 'list', 'text', 'steps']);
  expect(readRunbook('# R\n\n## a\n\none\ntwo\n\n1. x\n2. y\n').get('a')).toEqual([
    { kind: 'text', text: 'one two' },
    { kind: 'steps', items: ['x', 'y'] },
  ]);
  expect(partsOf('use `a` or <b>')).toEqual([
    { text: 'use ', code: false },
    { text: 'a', code: true },
    { text: ' or <b>', code: false },
  ]);
});
