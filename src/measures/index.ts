/** The public entry `gainwatch/measures`: float64 on typed arrays. */
export { compositeGains, prefixProducts, suffixProducts } from './compositeGains.ts';
export { type Gains, gains } from './gains.ts';
export { type Separation, separation } from './separation.ts';
export { type SinkhornOptions, sinkhorn, sinkhornGradient } from './sinkhornKnopp.ts';
export { activationGain, effectiveRank, logitRange, routingEntropy, streamNormRatio } from './streamMeasures.ts';
