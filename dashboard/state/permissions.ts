/** What whoever looks at the page may do here, as the server says. Draws nothing. */
import { signal } from '@preact/signals';
import type { Right } from '../../src/telemetry/api.ts';
import { askRights, RequestError } from './requests.ts';

/** null: not known, then the server says it where something is tried. `ended`: the server does not know the session (any more). */
export const permissions = signal<{ rights: readonly Right[] | null; ended: boolean }>({ rights: null, ended: false });

/** Asks again: with each new connection, and where one is lost, as a stream does not say why. */
export async function refreshPermissions(): Promise<void> {
  try {
    permissions.value = { rights: (await askRights()).rights, ended: false };
  } catch (error) {
    const ended = error instanceof RequestError && error.status === 401;
    permissions.value = { rights: permissions.peek().rights, ended };
  }
}
