/** `gainwatch/kernels`: our operations, for connections and optimizers of one's own. */
export { type AccelerateOptions, accelerate, type Storage } from './accelerate.ts';
export { adamWUpdate } from './operations/adamWUpdate.ts';
export { causalAttention } from './operations/causalAttention.ts';
export type { Coefficients } from './operations/coefficients.ts';
export { sparseCrossEntropy } from './operations/crossEntropy.ts';
export { dense } from './operations/dense.ts';
export { embed } from './operations/embed.ts';
export { hyperMaps, staticMaps } from './operations/hyperMaps.ts';
export { manifoldMaps } from './operations/manifoldMaps.ts';
export { type Projection, project } from './operations/project.ts';
export { readStreams } from './operations/readStreams.ts';
export { relu } from './operations/relu.ts';
export { rmsNormalise } from './operations/rmsNormalise.ts';
export { composedSinkhorn, type SinkhornOptions, sinkhorn } from './operations/sinkhorn.ts';
export { squaredNorm } from './operations/squaredNorm.ts';
export { writeStreams } from './operations/writeStreams.ts';
export { requestDevice } from './webgpu/device.ts';
