/** The types of what ./assembly exports, in its order. All pointers are addresses in bytes; each function's meaning is in its source. */

type Pointer = number;

export interface Functions {
  attention(
    qkv: Pointer,
    out: Pointer,
    probabilities: Pointer,
    batch: number,
    time: number,
    heads: number,
    size: number,
    scratch: Pointer,
  ): void;
  attentionGradient(
    qkv: Pointer,
    probabilities: Pointer,
    dOut: Pointer,
    dQkv: Pointer,
    batch: number,
    time: number,
    heads: number,
    size: number,
    scratch: Pointer,
    scores: Pointer,
  ): void;
  copyBlocks(from: Pointer, fromStride: number, to: Pointer, toStride: number, bytes: number, count: number): void;
  /** 1, or 0 where an id is out of range. */
  gatherBlocks(x: Pointer, ids: Pointer, out: Pointer, outer: number, limit: number, count: number, bytes: number): number;
  crossEntropy(logits: Pointer, targets: Pointer, out: Pointer, probabilities: Pointer, rows: number, size: number): void;
  crossEntropyGradient(probabilities: Pointer, targets: Pointer, dy: Pointer, dLogits: Pointer, rows: number, size: number): void;
  matMul(
    a: Pointer,
    lda: number,
    transposeA: boolean,
    b: Pointer,
    ldb: number,
    transposeB: boolean,
    c: Pointer,
    ldc: number,
    add: boolean,
    m: number,
    n: number,
    k: number,
    scratch: Pointer,
  ): void;
  adamW(
    parameter: Pointer,
    first: Pointer,
    second: Pointer,
    gradient: Pointer,
    scale: Pointer,
    outParameter: Pointer,
    outFirst: Pointer,
    outSecond: Pointer,
    count: number,
    beta1: number,
    rest1: number,
    beta2: number,
    rest2: number,
    rate: number,
    inverse: number,
    epsilon: number,
    keep: number,
  ): void;
  squaredNorm(x: Pointer, count: number): number;
  storeFloat(to: Pointer, value: number): void;
  reluGradient(y: Pointer, dy: Pointer, dx: Pointer, count: number): void;
  rmsNormalise(x: Pointer, gain: Pointer, y: Pointer, rows: number, size: number, epsilon: number): void;
  rmsNormaliseGradient(
    x: Pointer,
    gain: Pointer,
    dy: Pointer,
    dx: Pointer,
    dGain: Pointer,
    rows: number,
    size: number,
    epsilon: number,
  ): void;
  segmentSum(x: Pointer, ids: Pointer, out: Pointer, rows: number, size: number, segments: number): void;
  /** Sizes n0 … n5 of the axes of out, then their strides in x. */
  transpose(x: Pointer, out: Pointer, ...sizesAndStrides: number[]): void;
  manifoldMaps(
    p: Pointer,
    s: Pointer,
    alpha: Pointer,
    b: Pointer,
    pre: Pointer,
    post: Pointer,
    res: Pointer,
    tokens: number,
    n: number,
    epsilon: number,
  ): void;
  manifoldMapsGradient(
    p: Pointer,
    s: Pointer,
    alpha: Pointer,
    b: Pointer,
    dPre: Pointer,
    dPost: Pointer,
    dRes: Pointer,
    dp: Pointer,
    ds: Pointer,
    dAlpha: Pointer,
    db: Pointer,
    tokens: number,
    n: number,
    scratch: Pointer,
  ): void;
  hyperMaps(p: Pointer, s: Pointer, alpha: Pointer, b: Pointer, pre: Pointer, post: Pointer, res: Pointer, tokens: number, n: number): void;
  hyperMapsGradient(
    p: Pointer,
    s: Pointer,
    alpha: Pointer,
    dPre: Pointer,
    dPost: Pointer,
    dRes: Pointer,
    dp: Pointer,
    ds: Pointer,
    dAlpha: Pointer,
    db: Pointer,
    tokens: number,
    n: number,
    scratch: Pointer,
  ): void;
  project(x: Pointer, w: Pointer, p: Pointer, s: Pointer, rows: number, k: number, m: number, epsilon: number, scratch: Pointer): void;
  projectGradient(
    x: Pointer,
    w: Pointer,
    s: Pointer,
    dp: Pointer,
    ds: Pointer,
    through: Pointer,
    dx: Pointer,
    dw: Pointer,
    rows: number,
    k: number,
    m: number,
    scratch: Pointer,
    pre: Pointer,
    du: Pointer,
    streams: number,
  ): void;
  sinkhorn(
    logits: Pointer,
    out: Pointer,
    tokens: number,
    n: number,
    iterations: number,
    deepseek: boolean,
    epsilon: number,
    scratch: Pointer,
  ): void;
  sinkhornGradient(
    logits: Pointer,
    dOut: Pointer,
    out: Pointer,
    tokens: number,
    n: number,
    iterations: number,
    deepseek: boolean,
    epsilon: number,
    scratch: Pointer,
  ): void;
  dot(a: Pointer, b: Pointer, bytes: number): number;
  streamDots(x: Pointer, du: Pointer, dPre: Pointer, tokens: number, n: number, channels: number): void;
  readStreams(pre: Pointer, x: Pointer, u: Pointer, tokens: number, n: number, channels: number): void;
  readStreamsGradient(
    pre: Pointer,
    x: Pointer,
    du: Pointer,
    through: Pointer,
    dPre: Pointer,
    dx: Pointer,
    tokens: number,
    n: number,
    channels: number,
  ): void;
  writeStreams(res: Pointer, x: Pointer, post: Pointer, branch: Pointer, out: Pointer, tokens: number, n: number, channels: number): void;
  writeStreamsGradient(
    res: Pointer,
    x: Pointer,
    post: Pointer,
    branch: Pointer,
    dOut: Pointer,
    dRes: Pointer,
    dx: Pointer,
    dPost: Pointer,
    dBranch: Pointer,
    tokens: number,
    n: number,
    channels: number,
  ): void;
}
