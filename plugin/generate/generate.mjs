/** Writes the generated parts of documents; a part of `npm run rules`. Run from the root, after the build. */
import { readFileSync, writeFileSync } from 'node:fs';
import { DOCUMENTS, regenerate } from '../../dist/plugin/generate/documents.js';

for (const [path, parts] of Object.entries(DOCUMENTS)) {
  writeFileSync(path, regenerate(readFileSync(path, 'utf8'), parts));
  console.log(path);
}
