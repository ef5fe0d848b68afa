/** `npm run rules`: writes the files that are generated from the table. Run from the root, after the build. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { GENERATED } from '../../dist/alerts/rules/generated.js';

for (const [path, text] of Object.entries(GENERATED)) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text());
  console.log(path);
}
