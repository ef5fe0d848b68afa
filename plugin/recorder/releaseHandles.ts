/**
 * libsql closes a database that was closed only when the statements that were made on it are collected as garbage: until then three file
 * handles a recording stay open, and the bytes of a removed one taken. A process that has little garbage, or few handles, would run out of
 * them. So the young garbage is collected every few databases, which takes a millisecond or two.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Our choice: a list of recordings holds some dozens of handles then; opening so many takes ten times as long. */
const DATABASES_PER_COLLECTION = 8;

let opened = 0;
type Collect = (options: { type: 'minor' }) => void;
/** null: this runtime has none; undefined: not asked for yet. */
let collect: Collect | null | undefined;

/** The collector of V8, which JavaScript reaches only by a flag; null: this runtime has none. */
function collector(): Collect | null {
  try {
    setFlagsFromString('--expose-gc');
    return runInNewContext('gc') as Collect;
  } catch {
    return null;
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}

/** To be called for each database that is opened. What was closed before is let go of when the event loop turns. */
export function noteOpened(): void {
  if (++opened % DATABASES_PER_COLLECTION !== 0) return;
  if (collect === undefined) collect = collector();
  collect?.({ type: 'minor' });
}
