/** The text of the demo: the shipped one is pinned, another is read as it is. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadText } from '../../dist/plugin/cli/demoText.js';
import { temporaryFolder } from '../support/folders.ts';

test('the shipped text is the one that the figures of the README were made with', () => {
  const { bytes } = loadText(undefined);
  expect(bytes).toHaveLength(456_819);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe('28c928c722563068af045b4a5d39aa72f8ef4557b4071913db272f0eb377b781');
  expect(bytes.every((byte) => byte < 128)).toBe(true);
});

test('a file is read whole, a folder in the order of its names, without what is no text', () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'b'));
  const files = {
    'b/late.txt': 'b'.repeat(3000),
    'a.txt': 'a'.repeat(3000),
    'picture.bin': '\0'.repeat(3000),
    '.hidden': 'h'.repeat(3000),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const { bytes, source } = loadText(folder);
  expect(new TextDecoder().decode(bytes)).toBe('a'.repeat(3000) + 'b'.repeat(3000));
  expect(source).toBe(`2 files under ${folder}`);
  expect(() => loadText(join(folder, 'a.txt'))).toThrow(/holds 3000 bytes, at least 4096 are needed/);
});
