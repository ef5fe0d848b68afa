/** Memory of the connections as stacked bars and sums. Pure; draws nothing. */
import type { StepAnswer } from '../../src/telemetry/api.ts';
import type { MemoryKind } from '../../src/telemetry/sample.ts';
import { fromWire } from '../../src/telemetry/wire.ts';

interface Stack {
  kind: MemoryKind;
  /** Bytes, one for each connection; NaN: not known. */
  values: number[];
  /** Of the whole run: as it was reported, else the sum over the connections; null: not known. */
  total: number | null;
}

export interface Memory {
  stacks: Stack[];
  /** Sum of the totals that are known. */
  accounted: number;
  /** What the backend holds after a step; null: not known. */
  allocated: number | null;
}

const known = (value: number): boolean => Number.isFinite(value);
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + (known(value) ? value : 0), 0);

/** A stack for each kind, in the order of `kinds`. */
export function memoryOf(memory: NonNullable<StepAnswer['memory']>, kinds: readonly MemoryKind[]): Memory {
  const stacks = kinds.map((kind) => {
    const values = (memory.connections[kind] ?? []).map(fromWire);
    return { kind, values, total: memory.totals[kind] ?? (values.some(known) ? sum(values) : null) };
  });
  const accounted = stacks.reduce((all, { total }) => all + (total ?? 0), 0);
  return { stacks, accounted, allocated: memory.totals['allocated'] ?? null };
}

/** Bytes of connection `l`, over all kinds. */
export const totalOf = (stacks: readonly Stack[], l: number): number => sum(stacks.map(({ values }) => values[l]));

/** The highest bar; at least 1, so that nothing is divided by 0. */
export function highestOf(stacks: readonly Stack[]): number {
  let highest = 1;
  for (let l = 0; l < (stacks[0]?.values.length ?? 0); l++) highest = Math.max(highest, totalOf(stacks, l));
  return highest;
}

/** An SVG path for each stack: bars of width 0.9 at 0, 1, 2 … from the ground (`height`) upwards; '': all are empty. */
export function barPaths(stacks: readonly Stack[], height: number): string[] {
  const scale = height / highestOf(stacks);
  const ground = new Array<number>(stacks[0]?.values.length ?? 0).fill(0);
  return stacks.map(({ values }) => {
    let path = '';
    values.forEach((value, l) => {
      if (!(value > 0)) return;
      const top = (height - (ground[l] + value) * scale).toFixed(2);
      path += `M${l + 0.05} ${(height - ground[l] * scale).toFixed(2)}V${top}h0.9V${(height - ground[l] * scale).toFixed(2)}z`;
      ground[l] += value;
    });
    return path;
  });
}

/** Powers of two to count in: at most four lines below `highest`. */
export function byteTicks(highest: number): number[] {
  const every = 2 ** Math.ceil(Math.log2(highest / 4));
  return Array.from({ length: Math.floor(highest / every) }, (_, i) => (i + 1) * every);
}

/** Of a kind, for people. */
export const nameOf = (kind: string): string => kind.replaceAll('_', ' ');
