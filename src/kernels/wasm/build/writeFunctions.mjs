/** Writes functions.ts: the types of the module's functions, from their signatures in assembly/. Only text; no file. */

const EXPORTS = /^export \{ ([^}]+) \} from '\.\/(\w+)';$/gm;
const NUMBERS = { usize: 'Pointer', bool: 'boolean', void: 'void' };
/** TypeScript's type of one of AssemblyScript: whatever is no address and no truth value is a number. */
const typeOf = (type) => NUMBERS[type] ?? 'number';
/** A bool comes back as 0 or 1, and a number of bytes as a number. */
const resultOf = (type) => (type === 'void' ? 'void' : 'number');

/** `(a: Pointer, …) => void` of an exported function. */
function typeOfFunction(name, source) {
  const found = new RegExp(`^export function ${name}\\(([^)]*)\\): (\\w+) \\{`, 'm').exec(source);
  if (found === null) throw new Error(`assembly/index.ts exports ${name}, which its file does not declare as a function`);
  const parameters = found[1]
    .split(',')
    .filter((text) => text.trim() !== '')
    .map((text) => {
      const [parameter, type] = text.trim().split(': ');
      return `${parameter}: ${typeOf(type)}`;
    });
  return `(${parameters.join(', ')}) => ${resultOf(found[2])}`;
}

/**
 * @param index text of assembly/index.ts
 * @param sourceOf text of a file of assembly/, by its base name
 */
export function functionsSource(index, sourceOf) {
  const groups = [...index.matchAll(EXPORTS)].map(([, names, file]) => {
    const functions = names.split(', ').map((name) => `  ${name}: ${typeOfFunction(name, sourceOf(file))};`);
    return `  // assembly/${file}.ts\n${functions.join('\n')}`;
  });
  return `// biome-ignore-all format: a line for each function
/**
 * The types of what ./assembly exports; each function's meaning is in its source there. Generated: \`npm run kernels\`
 * (build/writeFunctions.mjs) writes it, and test/kernels/binary.test.ts compares it with its source.
 */

/** An address on TF.js's heap, in bytes. */
type Pointer = number;

export interface Functions {
${groups.join('\n')}
}
`;
}
