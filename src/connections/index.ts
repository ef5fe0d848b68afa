/** `gainwatch/connections`: the residual, HC and mHC connections for TensorFlow.js, as functions and as layers. */
export { createBlock, type RecomputeBlock } from './block.ts';
export { type Branch, residual } from './connect.ts';
export { ExpandStreams, type ExpandStreamsConfig, ReduceStreams } from './expandStreams.ts';
export { type HyperOptions, type HyperParameters, hyperConnection } from './hyper.ts';
export { type ConnectionConfig, ConnectionLayer } from './layer.ts';
export type { HyperConnectionConfig, ManifoldConnectionConfig } from './layers.ts';
export { HyperConnection, ManifoldConnection, ResidualConnection } from './layers.ts';
export { type ManifoldOptions, type ManifoldParameters, manifoldConnection } from './manifold.ts';
export { type ConnectionObserver, unobserved } from './observer.ts';
export { RECOMPUTE_MODES, type RecomputeMode, recompute, recomputeBlock, recomputeCost } from './recompute.ts';
export { ConnectionStack, type ConnectionStackConfig } from './stack.ts';
