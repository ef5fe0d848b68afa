/** Writes assembly/sinkhorn4.ts: sinkhorn.ts's half-steps for n = 4 with every element in a variable of its own. Only text; no file. */

const N = [0, 1, 2, 3];
/** Bytes of a vector, and where a half-step's record has the inverses of its divisors: behind the 16 elements. */
const VECTOR = 16;
const INVERSES = VECTOR * 16;
const RECORD = INVERSES + VECTOR * 4;

const name = ([i, j]) => `m${i}${j}`;
const offset = ([i, j]) => VECTOR * (4 * i + j);
/** The elements of line number `index`, a column or a row. */
const line = (columns, index) => N.map((k) => (columns ? [k, index] : [index, k]));
const sum = ([a, b, c, d]) => `f32x4.add(f32x4.add(${a}, ${b}), f32x4.add(${c}, ${d}))`;
/** A line of text for each row of the matrix. */
const eachRow = (statement) => N.map((i) => line(false, i).map(statement).join(' '));

const loads = eachRow((e) => `let ${name(e)} = v128.load(m, ${offset(e)});`);
const stores = (to) => eachRow((e) => `v128.store(${to}, ${name(e)}, ${offset(e)});`);

/** Each line times the inverse of its sum + ε; then the record, and on to the next one. */
const halfStep = (columns) => [
  ...N.flatMap((index) => {
    const names = line(columns, index).map(name);
    return [
      `inverse = f32x4.div(one, f32x4.add(${sum(names)}, shift));`,
      names.map((m) => `${m} = f32x4.mul(${m}, inverse);`).join(' '),
      `v128.store(to, inverse, ${INVERSES + VECTOR * index});`,
    ];
  }),
  ...stores('to'),
  'to += step;',
];

/** Back through one: gA = (gB − Σ_line(gB ∘ B)) / d. */
const undoHalfStep = (columns) =>
  N.flatMap((index) => {
    const elements = line(columns, index);
    return [
      `inner = ${sum(elements.map((e) => `f32x4.mul(${name(e)}, v128.load(from, ${offset(e)}))`))};`,
      `inverse = v128.load(from, ${INVERSES + VECTOR * index});`,
      elements.map((e) => `${name(e)} = f32x4.mul(f32x4.sub(${name(e)}, inner), inverse);`).join(' '),
    ];
  });

const indent = (lines, by) => lines.map((text) => ' '.repeat(by) + text).join('\n');

export const sinkhorn4Source = () => `/**
 * Sinkhorn–Knopp for n = 4: AssemblyScript. The sixteen elements, four tokens in each, stay in local variables from one half-step
 * to the next. What sinkhorn.ts does for every n, in the same order. Generated: \`npm run kernels\` (build/writeSinkhorn4.mjs) writes it.
 */

/** Bytes of a half-step's record: its result and the inverses of its divisors. */
const RECORD: usize = ${RECORD};

/**
 * All half-steps from the matrix at m; the result of each and 1 / (sum + ε) go to \`to\`.
 * @param step bytes from one record to the next; 0: only the last one is wanted
 */
export function halfSteps4(m: usize, to: usize, step: usize, steps: i32, epsilon: f32): void {
  const one = f32x4.splat(1);
  const shift = f32x4.splat(epsilon);
  let inverse: v128;
${indent(loads, 2)}
  for (let k = 0; k < steps; k += 2) {
${indent(halfStep(true), 4)}
    if (k + 1 == steps) break;
${indent(halfStep(false), 4)}
  }
}

/** The gradient at m through all half-steps, the last one first; in place. @param records the first record */
export function undoHalfSteps4(m: usize, records: usize, steps: i32): void {
  let inner: v128;
  let inverse: v128;
  let from = records + steps * RECORD;
${indent(loads, 2)}
  for (let k = steps - 1; k >= 0; k--) {
    from -= RECORD;
    if (k & 1) {
${indent(undoHalfStep(false), 6)}
    } else {
${indent(undoHalfStep(true), 6)}
    }
  }
${indent(stores('m'), 2)}
}
`;
