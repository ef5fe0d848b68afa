// biome-ignore-all format: a line for each function
/**
 * The types of what ./assembly exports; each function's meaning is in its source there. Generated: `npm run kernels`
 * (build/writeFunctions.mjs) writes it, and test/kernels/binary.test.ts compares it with its source.
 */

/** An address on TF.js's heap, in bytes. */
type Pointer = number;

export interface Functions {
  // assembly/causalAttention.ts
  attention: (qkv: Pointer, out: Pointer, probabilities: Pointer, batch: number, time: number, heads: number, size: number, scratch: Pointer) => void;
  attentionGradient: (qkv: Pointer, probabilities: Pointer, dOut: Pointer, dQkv: Pointer, batch: number, time: number, heads: number, size: number, scratch: Pointer, scores: Pointer) => void;
  attentionGradientScratch: (time: number) => number;
  // assembly/copyBlocks.ts
  copyBlocks: (from: Pointer, fromStride: number, to: Pointer, toStride: number, bytes: number, count: number) => void;
  gatherBlocks: (x: Pointer, ids: Pointer, out: Pointer, outer: number, limit: number, count: number, bytes: number) => number;
  // assembly/crossEntropy.ts
  crossEntropy: (logits: Pointer, targets: Pointer, out: Pointer, probabilities: Pointer, rows: number, size: number) => void;
  crossEntropyGradient: (probabilities: Pointer, targets: Pointer, dy: Pointer, dLogits: Pointer, rows: number, size: number) => void;
  // assembly/matMul.ts
  matMul: (a: Pointer, lda: number, transposeA: boolean, b: Pointer, ldb: number, transposeB: boolean, c: Pointer, ldc: number, add: boolean, m: number, n: number, k: number, scratch: Pointer) => void;
  matMulScratch: () => number;
  // assembly/hyperMaps.ts
  hyperMaps: (p: Pointer, s: Pointer, alpha: Pointer, b: Pointer, pre: Pointer, post: Pointer, res: Pointer, tokens: number, n: number) => void;
  hyperMapsGradient: (p: Pointer, s: Pointer, alpha: Pointer, dPre: Pointer, dPost: Pointer, dRes: Pointer, dp: Pointer, ds: Pointer, dAlpha: Pointer, db: Pointer, tokens: number, n: number, scratch: Pointer) => void;
  hyperMapsGradientScratch: (n: number) => number;
  // assembly/manifoldMaps.ts
  manifoldMaps: (p: Pointer, s: Pointer, alpha: Pointer, b: Pointer, pre: Pointer, post: Pointer, res: Pointer, tokens: number, n: number, epsilon: number) => void;
  manifoldMapsGradient: (p: Pointer, s: Pointer, alpha: Pointer, b: Pointer, dPre: Pointer, dPost: Pointer, dRes: Pointer, dp: Pointer, ds: Pointer, dAlpha: Pointer, db: Pointer, tokens: number, n: number, scratch: Pointer) => void;
  manifoldMapsGradientScratch: (n: number) => number;
  // assembly/project.ts
  project: (x: Pointer, w: Pointer, p: Pointer, s: Pointer, rows: number, k: number, m: number, epsilon: number, scratch: Pointer) => void;
  projectScratch: (k: number, m: number) => number;
  // assembly/projectGradient.ts
  projectGradient: (x: Pointer, w: Pointer, s: Pointer, dp: Pointer, ds: Pointer, through: Pointer, dx: Pointer, dw: Pointer, rows: number, k: number, m: number, scratch: Pointer, pre: Pointer, du: Pointer, streams: number) => void;
  projectGradientScratch: (k: number, m: number) => number;
  projectGradientStrip: () => number;
  // assembly/sinkhorn.ts
  sinkhorn: (logits: Pointer, out: Pointer, tokens: number, n: number, iterations: number, deepseek: boolean, epsilon: number, scratch: Pointer) => void;
  sinkhornGradient: (logits: Pointer, dOut: Pointer, out: Pointer, tokens: number, n: number, iterations: number, deepseek: boolean, epsilon: number, scratch: Pointer) => void;
  sinkhornGradientScratch: (n: number, iterations: number, deepseek: boolean) => number;
  sinkhornScratch: (n: number) => number;
  // assembly/rows.ts
  dot: (a: Pointer, b: Pointer, row: Pointer) => number;
  // assembly/readStreams.ts
  readStreams: (pre: Pointer, x: Pointer, u: Pointer, tokens: number, n: number, channels: number) => void;
  readStreamsGradient: (pre: Pointer, x: Pointer, du: Pointer, through: Pointer, dPre: Pointer, dx: Pointer, tokens: number, n: number, channels: number) => void;
  streamDots: (x: Pointer, du: Pointer, dPre: Pointer, tokens: number, n: number, channels: number) => void;
  // assembly/writeStreams.ts
  writeStreams: (res: Pointer, x: Pointer, post: Pointer, branch: Pointer, out: Pointer, tokens: number, n: number, channels: number) => void;
  writeStreamsGradient: (res: Pointer, x: Pointer, post: Pointer, branch: Pointer, dOut: Pointer, dRes: Pointer, dx: Pointer, dPost: Pointer, dBranch: Pointer, tokens: number, n: number, channels: number) => void;
  // assembly/adamWUpdate.ts
  adamW: (parameter: Pointer, first: Pointer, second: Pointer, gradient: Pointer, scale: Pointer, outParameter: Pointer, outFirst: Pointer, outSecond: Pointer, count: number, beta1: number, rest1: number, beta2: number, rest2: number, rate: number, inverse: number, epsilon: number, keep: number) => void;
  // assembly/squaredNorm.ts
  squaredNorm: (x: Pointer, count: number) => number;
  storeFloat: (to: Pointer, value: number) => void;
  // assembly/relu.ts
  reluGradient: (y: Pointer, dy: Pointer, dx: Pointer, count: number) => void;
  // assembly/rmsNormalise.ts
  rmsNormalise: (x: Pointer, gain: Pointer, y: Pointer, rows: number, size: number, epsilon: number) => void;
  rmsNormaliseGradient: (x: Pointer, gain: Pointer, dy: Pointer, dx: Pointer, dGain: Pointer, rows: number, size: number, epsilon: number) => void;
  // assembly/segmentSum.ts
  segmentSum: (x: Pointer, ids: Pointer, out: Pointer, rows: number, size: number, segments: number) => void;
  // assembly/transpose.ts
  transpose: (x: Pointer, out: Pointer, n0: number, n1: number, n2: number, n3: number, n4: number, n5: number, s0: number, s1: number, s2: number, s3: number, s4: number, s5: number) => void;
}
