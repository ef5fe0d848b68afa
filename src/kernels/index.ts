/** `gainwatch/kernels`: the custom operations, for connections and optimizers of one's own. */
export { accelerate } from './accelerate.ts';
export { adamWUpdate } from './adamw.ts';
export { dense } from './dense.ts';
export { embed } from './embed.ts';
export { type Coefficients, hyperMaps, manifoldMaps, staticMaps } from './maps.ts';
export { type Projection, project } from './project.ts';
export { composedSinkhorn, type SinkhornOptions, sinkhorn } from './sinkhorn.ts';
export { squaredNorm } from './squaredNorm.ts';
export { readStreams, writeStreams } from './streams.ts';
