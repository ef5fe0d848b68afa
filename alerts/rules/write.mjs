/** `npm run rules`: writes the files that are generated from the table. Run from the root, after the build. */
import { writeFileSync } from 'node:fs';
import { GENERATED } from '../../dist/alerts/rules/generated.js';

for (const [path, text] of Object.entries(GENERATED)) {
  writeFileSync(path, text());
  console.log(path);
}
