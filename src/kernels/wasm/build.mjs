/**
 * Builds the AssemblyScript module of this folder: assembly/sinkhorn4.ts, which is written out, then binary.ts and functions.ts from
 * all of assembly/. `npm run kernels`; with --check it writes nothing and fails where one of the three is not what its source gives.
 * No runtime: the module has no data, no allocation and no state.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { functionsSource } from './build/writeFunctions.mjs';
import { sinkhorn4Source } from './build/writeSinkhorn4.mjs';

const pathOf = (name) => fileURLToPath(new URL(name, import.meta.url));
const FLAGS = ['-O3', '--noAssert', '--enable', 'simd', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--use', 'abort='];
/** Characters of a line of base64. */
const WIDTH = 120;
const check = process.argv.includes('--check');

emit('assembly/sinkhorn4.ts', sinkhorn4Source());
const binary = await compile();
emit(
  'binary.ts',
  `/**
 * The wasm module of ./assembly, in base64. Generated: \`npm run kernels\` (build.mjs) writes it, and test/kernels/binary.test.ts
 * compares it with its source.
 */
export const BINARY = \`
${Buffer.from(binary)
  .toString('base64')
  .match(new RegExp(`.{1,${WIDTH}}`, 'g'))
  .join('\n')}
\`;
`,
);
const sourceOf = (file) => readFileSync(pathOf(`assembly/${file}.ts`), 'utf8');
emit('functions.ts', functionsSource(sourceOf('index'), sourceOf));

/** Writes a generated file, or compares it with the one that is there. */
function emit(name, source) {
  if (!check) {
    writeFileSync(pathOf(name), source);
    console.log(`${name}: ${source.length} characters`);
  } else if (readFileSync(pathOf(name), 'utf8') !== source) {
    console.error(`${name} is not what its source gives: run npm run kernels`);
    process.exitCode = 1;
  }
}

async function compile() {
  const files = new Map();
  const { error, stderr } = await asc.main(['index.ts', '--baseDir', pathOf('assembly/'), '--outFile', 'module.wasm', '--textFile', 'module.wat', ...FLAGS], {
    writeFile: (name, content) => void files.set(name, content),
  });
  if (error !== null) {
    console.error(stderr.toString());
    throw error;
  }
  const bytes = files.get('module.wasm');
  // A data segment would be written into the middle of TF.js's heap.
  if (WebAssembly.Module.imports(new WebAssembly.Module(bytes)).length !== 1) throw new Error('the module must import memory alone');
  if (files.get('module.wat').includes('\n (data ')) throw new Error('the module must have no data segments: no strings, arrays or static values');
  return bytes;
}
