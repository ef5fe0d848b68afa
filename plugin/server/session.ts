/**
 * Sessions of browsers: what the address with the token is exchanged for, as an EventSource can send no header. A session is a text
 * that says what it may and until when, signed with a key that this process alone has and forgets at its end: nothing is kept of it, it is
 * worth nothing at another server or after a restart, and the token itself goes to no port of the host but this one. Sets no cookie:
 * authorize.ts does.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Right } from '../../src/telemetry/api.ts';
import { isSame, RIGHTS } from './rights.ts';

/** Not longer when it is used. Our choice: who looks at a training in the evening sees it all night. */
export const SESSION_MS = 24 * 3_600_000;

export interface Session {
  /** Tells it from others in the log; opens nothing. */
  readonly id: string;
  readonly rights: readonly Right[];
  /** By the clock of the sessions. */
  readonly endsAt: number;
}

export interface Sessions {
  /** The text of a new session. */
  begin(rights: readonly Right[]): string;
  /** null: none of ours, or over. */
  read(text: string): Session | null;
  /** Milliseconds that are left of one. */
  left(session: Session): number;
}

/**
 * Sessions with a key of their own.
 * @param clock milliseconds that only go forward: one of the calendar may jump
 */
export function createSessions(clock: () => number): Sessions {
  const key = randomBytes(32);
  const sign = (text: string) => createHmac('sha256', key).update(text).digest('base64url');
  return {
    begin: (rights) => {
      const text = `${rights.join('-')}.${Math.round(clock() + SESSION_MS)}.${randomBytes(6).toString('hex')}`;
      return `${text}.${sign(text)}`;
    },
    read: (text) => {
      const at = text.lastIndexOf('.');
      if (at < 0 || !isSame(text.slice(at + 1), sign(text.slice(0, at)))) return null;
      const [rights, end, id] = text.split('.');
      const endsAt = Number(end);
      const given = rights.split('-');
      return endsAt > clock() ? { id, endsAt, rights: RIGHTS.filter((right) => given.includes(right)) } : null;
    },
    left: ({ endsAt }) => Math.max(0, endsAt - clock()),
  };
}
