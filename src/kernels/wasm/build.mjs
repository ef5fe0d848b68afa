/**
 * Builds the AssemblyScript module of this folder into binary.ts: `npm run kernels`. With --check it writes nothing and
 * fails where binary.ts is not what its source gives. No runtime: the module has no data, no allocation and no state.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const FOLDER = fileURLToPath(new URL('assembly/', import.meta.url));
const OUT = fileURLToPath(new URL('binary.ts', import.meta.url));
const FLAGS = ['-O3', '--noAssert', '--enable', 'simd', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--use', 'abort='];
const WIDTH = 120;

const files = new Map();
const { error, stderr } = await asc.main(['index.ts', '--baseDir', FOLDER, '--outFile', 'module.wasm', ...FLAGS], {
  writeFile: (name, content) => void files.set(name, content),
});
if (error !== null) {
  console.error(stderr.toString());
  throw error;
}
const binary = files.get('module.wasm');
// A data segment would be written into the middle of TF.js's heap.
if (WebAssembly.Module.imports(new WebAssembly.Module(binary)).length !== 1) throw new Error('the module must import memory alone');
if (hasSection(binary, 11)) throw new Error('the module must have no data segments: no strings, arrays or static values');

const base64 = Buffer.from(binary).toString('base64');
const lines = base64.match(new RegExp(`.{1,${WIDTH}}`, 'g'));
const source = `/**
 * The wasm module of ./assembly, in base64. Generated: \`npm run kernels\` (build.mjs) writes it, and test/kernels/binary.test.ts
 * compares it with its source.
 */
export const BINARY = \`
${lines.join('\n')}
\`;
`;
if (!process.argv.includes('--check')) {
  writeFileSync(OUT, source);
  console.log(`${OUT}: ${binary.length} bytes of wasm`);
} else if (readFileSync(OUT, 'utf8') !== source) {
  console.error(`${OUT} is not what its source gives: run npm run kernels`);
  process.exitCode = 1;
}

/** Does a wasm module have a section with this id? */
function hasSection(bytes, wanted) {
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      size |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if (id === wanted) return true;
    at += size;
  }
  return false;
}
