/**
 * What the module exports: AssemblyScript, not TypeScript of ours. It works on the memory of TF.js's wasm backend, so it has
 * no data, no allocation and no state: pointers in, values out. Built into ../binary.ts by `npm run kernels`.
 */
export { matMul } from './matMul';
