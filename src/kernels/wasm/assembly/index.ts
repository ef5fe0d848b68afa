/**
 * What the module exports: AssemblyScript, not TypeScript of ours. It works on the memory of TF.js's wasm backend, so it has
 * no data, no allocation and no state: pointers in, values out. Where a function needs memory to work in, `…Scratch` says how many
 * bytes. Built into ../binary.ts by `npm run kernels`.
 */
export { attention, attentionGradient, attentionGradientScratch } from './causalAttention';
export { copyBlocks, gatherBlocks } from './copyBlocks';
export { crossEntropy, crossEntropyGradient } from './crossEntropy';
export { matMul, matMulScratch } from './matMul';
export { hyperMaps, hyperMapsGradient, hyperMapsGradientScratch } from './hyperMaps';
export { manifoldMaps, manifoldMapsGradient, manifoldMapsGradientScratch } from './manifoldMaps';
export { project, projectScratch } from './project';
export { projectGradient, projectGradientScratch, projectGradientStrip } from './projectGradient';
export { sinkhorn, sinkhornGradient, sinkhornGradientScratch, sinkhornScratch } from './sinkhorn';
export { dot } from './rows';
export { readStreams, readStreamsGradient, streamDots } from './readStreams';
export { writeStreams, writeStreamsGradient } from './writeStreams';
export { adamW } from './adamWUpdate';
export { squaredNorm, storeFloat } from './squaredNorm';
export { reluGradient } from './relu';
export { rmsNormalise, rmsNormaliseGradient } from './rmsNormalise';
export { segmentSum } from './segmentSum';
export { transpose } from './transpose';
