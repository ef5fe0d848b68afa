/**
 * The text that the demo trains on: the one that comes with gainwatch (see text/README.md), or a file or folder of the
 * user's. Reads files; makes no batches of it (src/model/batches.ts does).
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

/** Beside the source, from dist/plugin/cli. John Milton's Paradise Lost: public domain, pinned by test/plugin/cliDemo.test.ts. */
const SHIPPED = join(import.meta.dirname, '../../../plugin/cli/text/paradise-lost.txt.br');

/** Our choice: a demo trains on less than this. */
const MAX_TEXT_BYTES = 4 << 20;
/** Our choice: so that no file of a folder is the whole text. */
const MAX_FILE_BYTES = 64 << 10;
/** Our choice: some hundred windows of the demo's context. */
const MIN_TEXT_BYTES = 4096;

export interface DemoText {
  bytes: Uint8Array;
  /** What it is, for people. */
  source: string;
}

/**
 * @param path of a file or a folder, of which at most MAX_TEXT_BYTES are read; undefined: the text that comes with gainwatch
 * @throws Error naming the path, where it does not exist or holds too little text
 */
export function loadText(path: string | undefined): DemoText {
  if (path === undefined)
    return { bytes: brotliDecompressSync(readFileSync(SHIPPED)), source: "Milton's Paradise Lost (comes with gainwatch)" };
  if (!existsSync(path)) throw new Error(`text ${path} does not exist (--text takes a file or a folder)`);
  const text = statSync(path).isFile() ? { bytes: readFileSync(path).subarray(0, MAX_TEXT_BYTES), source: path } : readFolder(path);
  const { bytes, source } = text;
  if (bytes.length < MIN_TEXT_BYTES) {
    throw new Error(`text ${source} holds ${bytes.length} bytes, at least ${MIN_TEXT_BYTES} are needed (--text)`);
  }
  return text;
}

function readFolder(folder: string): DemoText {
  const parts: Uint8Array[] = [];
  let total = 0;
  for (const file of walk(folder)) {
    if (total >= MAX_TEXT_BYTES) break;
    const part = readFileSync(file).subarray(0, Math.min(MAX_FILE_BYTES, MAX_TEXT_BYTES - total));
    if (part.includes(0)) continue; // not text
    parts.push(part);
    total += part.length;
  }
  return { bytes: Buffer.concat(parts), source: `${parts.length} files under ${folder}` };
}

/** Files in a fixed order. */
function* walk(folder: string): Generator<string> {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}
