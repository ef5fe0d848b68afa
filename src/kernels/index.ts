/** `gainwatch/kernels`: the custom operations, for connections and optimizers of one's own. */
export { type AccelerateOptions, accelerate, type Storage } from './accelerate.ts';
export { adamWUpdate } from './adamw.ts';
export { causalAttention } from './attention.ts';
export { sparseCrossEntropy } from './crossEntropy.ts';
export { dense } from './dense.ts';
export { embed } from './embed.ts';
export { type Coefficients, hyperMaps, manifoldMaps, staticMaps } from './maps.ts';
export { rmsNormalise } from './normalise.ts';
export { type Projection, project } from './project.ts';
export { relu } from './relu.ts';
export { composedSinkhorn, type SinkhornOptions, sinkhorn } from './sinkhorn.ts';
export { squaredNorm } from './squaredNorm.ts';
export { readStreams, writeStreams } from './streams.ts';
export { requestDevice } from './webgpu/device.ts';
