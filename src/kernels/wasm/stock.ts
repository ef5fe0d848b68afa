/** Which stock kernels of the wasm backend are replaced. Each is in a file of its own. */
import { matMul } from './matMul.ts';
import type { Replacement } from './replacement.ts';

export const WASM_REPLACEMENTS: readonly Replacement[] = [matMul];
