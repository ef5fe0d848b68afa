/** The READMEs of the repository: the first one and those of its rooms. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ROOMS = ['src', 'alerts', 'plugin', 'dashboard'];

/** The text of all, one after the other. */
export function readmes(): string {
  const rooms = ROOMS.flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' }).map((path) => join(room, path)),
  );
  return ['README.md', ...rooms.filter((path) => path.endsWith('README.md'))]
    .map((path) => readFileSync(join(ROOT, path), 'utf8'))
    .join('\n');
}

/** Their code blocks, as written. */
export const readmeBlocks = (language: string): string[] =>
  [...readmes().matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code);
