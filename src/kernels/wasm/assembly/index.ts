/**
 * What the module exports: AssemblyScript, not TypeScript of ours. It works on the memory of TF.js's wasm backend, so it has
 * no data, no allocation and no state: pointers in, values out. Built into ../binary.ts by `npm run kernels`.
 */
export { attention, attentionGradient } from './attention';
export { copyBlocks, gatherBlocks } from './copy';
export { crossEntropy, crossEntropyGradient } from './crossEntropy';
export { matMul } from './matMul';
export { hyperMaps, hyperMapsGradient, manifoldMaps, manifoldMapsGradient } from './maps';
export { project } from './project';
export { projectGradient } from './projectGradient';
export { sinkhorn, sinkhornGradient } from './sinkhorn';
export { dot, readStreams, readStreamsGradient, streamDots, writeStreams, writeStreamsGradient } from './streams';
export { adamW, squaredNorm, storeFloat } from './optimizer';
export { reluGradient } from './relu';
export { rmsNormalise, rmsNormaliseGradient } from './rmsNormalise';
export { segmentSum } from './segmentSum';
export { transpose } from './transpose';
