/** Finds text to train on: a file, a folder, or by default the Markdown and type declarations among the installed packages. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Bytes that are read at most: more would not be trained on in a demo. */
const AT_MOST = 4 << 20;
/** Of a single file, so that no single one is the whole text. */
const FILE_AT_MOST = 64 << 10;

export interface Text {
  bytes: Uint8Array;
  /** What it is, for people. */
  source: string;
}

/** @throws naming the path where there is no text */
export function loadText(path: string | undefined): Text {
  if (path !== undefined && !existsSync(path)) throw new Error(`text ${path} does not exist (--text takes a file or a folder)`);
  if (path !== undefined && statSync(path).isFile()) return nonEmpty({ bytes: readFileSync(path).subarray(0, AT_MOST), source: path });
  const folder = path ?? installedPackages();
  const wanted = path === undefined ? (file: string) => /\.(md|d\.ts)$/.test(file) : () => true;
  const parts: Uint8Array[] = [];
  let files = 0;
  let total = 0;
  for (const file of walk(folder)) {
    if (total >= AT_MOST) break;
    if (!wanted(file)) continue;
    const part = readFileSync(file).subarray(0, Math.min(FILE_AT_MOST, AT_MOST - total));
    if (part.includes(0)) continue; // not text
    parts.push(part);
    files++;
    total += part.length;
  }
  return nonEmpty({ bytes: Buffer.concat(parts), source: `${files} files under ${folder}` });
}

function nonEmpty(text: Text): Text {
  if (text.bytes.length < 4096) throw new Error(`text ${text.source} holds ${text.bytes.length} bytes, at least 4096 are needed (--text)`);
  return text;
}

/** The nearest node_modules above this file. */
function installedPackages(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules');
    if (existsSync(candidate)) return candidate;
  }
  throw new Error('no node_modules folder was found for the default text: name a file or folder with --text');
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
