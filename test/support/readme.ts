/** The code blocks of the README, as written. */
import { readFileSync } from 'node:fs';

export function readmeBlocks(language: string): string[] {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map((match) => match[1]);
}
