/**
 * JSON of others, looked through byte by byte before a value is built of it: depth, number of lists and objects, names twice in one object,
 * halves of surrogate pairs. What is left is JSON.parse's. Knows no field of a step (schema.ts does).
 */
import { isUtf8 } from 'node:buffer';
import { FieldError, shown } from '../fieldError.ts';

/** Lists and objects in one another. Our choice: what openapi.yaml describes has four. */
const MAX_DEPTH = 32;
/** Lists and objects in all. Our choice: twice what 1024 steps with all their fields have; each costs 56 bytes and more. */
const MAX_CONTAINERS = 65_536;
/** Names in one object. Our choice: twice the tensors that the header of a step may have. */
const MAX_NAMES = 8192;

const [QUOTE, BACKSLASH, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT, LETTER_U] = Buffer.from('"\\,[]{}u');

/**
 * The value of a JSON text, which no other reader can take for another value.
 * @param field what an error names
 * @throws FieldError where the bytes are no UTF-8 or no JSON, or break a limit from above
 */
export function parseJson(field: string, bytes: Buffer): unknown {
  checkBytes(field, bytes);
  if (!isUtf8(bytes)) throw new FieldError(field, 'must be UTF-8', shown(bytes.toString('latin1', 0, 400)));
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new FieldError(field, `must be JSON: ${(error as Error).message.slice(0, 100)}`, shown(bytes.toString('utf8', 0, 400)));
  }
}

/** All that a look at the bytes shows; of what is no JSON at all it says nothing. @throws FieldError as `parseJson` */
function checkBytes(field: string, bytes: Buffer): void {
  /** What is open, outermost first: the names of an object, or null for a list. */
  const open: (Set<string> | null)[] = [];
  let containers = 0;
  let isNameNext = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      const end = endOfString(field, bytes, at);
      const names = open.at(-1);
      if (isNameNext && names != null) addName(field, names, bytes.subarray(at, end + 1));
      isNameNext = false;
      at = end;
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (open.length === MAX_DEPTH) throw new FieldError(field, `must have at most ${MAX_DEPTH} lists and objects in one another`, null);
      if (++containers > MAX_CONTAINERS) throw new FieldError(field, `must have at most ${MAX_CONTAINERS} lists and objects`, null, 413);
      isNameNext = byte === OPEN_OBJECT;
      open.push(isNameNext ? new Set() : null);
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      open.pop();
      isNameNext = false;
    } else if (byte === COMMA) isNameNext = open.at(-1) != null;
  }
}

/** The place of its closing quote, or of the last byte where it has none. @throws FieldError where it has half of a surrogate pair */
function endOfString(field: string, bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === QUOTE) return at;
    if (bytes[at] !== BACKSLASH) continue;
    const unit = escapedUnit(bytes, at);
    at++;
    if (unit === null || unit < 0xd800 || unit > 0xdfff) continue;
    const low = escapedUnit(bytes, at + 5);
    if (unit > 0xdbff || low === null || low < 0xdc00 || low > 0xdfff) {
      throw new FieldError(field, 'must have no half of a surrogate pair', bytes.toString('latin1', at - 1, at + 5));
    }
    at += 10;
  }
  return bytes.length - 1;
}

/** The UTF-16 unit of a backslash, u and four hexadecimal digits; null where there is none. */
function escapedUnit(bytes: Buffer, at: number): number | null {
  if (bytes[at] !== BACKSLASH || bytes[at + 1] !== LETTER_U) return null;
  const digits = bytes.toString('latin1', at + 2, at + 6);
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : null;
}

/** @param quoted with its quotes */
function addName(field: string, names: Set<string>, quoted: Buffer): void {
  let name = quoted.toString('utf8', 1, quoted.length - 1);
  if (name.includes('\\')) {
    try {
      name = JSON.parse(`"${name}"`) as string;
    } catch {
      return; // no JSON: its reader says so
    }
  }
  if (names.has(name)) throw new FieldError(field, 'must have each name once', shown(name));
  if (names.size === MAX_NAMES) throw new FieldError(field, `must have at most ${MAX_NAMES} names in one object`, null, 413);
  names.add(name);
}
