/** Which stock kernels of the wasm backend are replaced. Each is in a file of its own. */
import { concat, gather, split } from './blocks.ts';
import { identity, transpose } from './layout.ts';
import { matMul } from './matMul.ts';
import type { Replacement } from './replacement.ts';
import { segmentSum } from './segmentSum.ts';

export const WASM_REPLACEMENTS: readonly Replacement[] = [matMul, transpose, identity, split, concat, gather, segmentSum];
