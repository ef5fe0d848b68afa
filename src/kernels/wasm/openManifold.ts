/** All of an mHC connection before its branch on wasm in one call, and its gradients: the module's functions one after the other. */
import { OPEN_MANIFOLD, OPEN_MANIFOLD_GRADIENT } from '../operations/openManifold.ts';
import { readSinkhornAttributes } from '../operations/sinkhorn.ts';
import { type Call, streamSizes, wasmKernel } from './wasmKernel.ts';

function sizesOf([x, phi]: number[][]) {
  const [tokens, n, channels] = streamSizes(x);
  return { tokens, n, channels, k: n * channels, m: phi[1] };
}

function open({ functions, inputs: [x, phi, alpha, b], outputs, shapes, attributes, scratch }: Call): void {
  const [u, res, post, logits, p, s, pre] = outputs;
  const { tokens, n, channels, k, m } = sizesOf(shapes);
  const { iterations, deepseek, epsilon } = readSinkhornAttributes(attributes);
  const work = scratch(Math.max(functions.projectScratch(k, m), functions.sinkhornScratch(n)));
  functions.project(x, phi, p, s, tokens, k, m, attributes['normEps'] as number, work);
  functions.manifoldMaps(p, s, alpha, b, pre, post, logits, tokens, n, epsilon);
  functions.sinkhorn(logits, res, tokens, n, iterations, deepseek, epsilon, work);
  functions.readStreams(pre, x, u, tokens, n, channels);
}

/** Bytes of so many floats, rounded up to whole vectors: what follows them is aligned to 16. */
const alignedBytes = (floats: number) => 16 * Math.ceil(floats / 4);

function openGradient({ functions, inputs, outputs: [dx, dPhi, dAlpha, db], shapes, attributes, scratch }: Call): void {
  const [x, phi, alpha, b, logits, p, s, pre, du, through, dRes, dPost] = inputs;
  const { tokens, n, channels, k, m } = sizesOf(shapes);
  const { iterations, deepseek, epsilon } = readSinkhornAttributes(attributes);
  // dH_pre, dH̃_res, dp and ds lie one after the other, then what the functions need, one at a time.
  const parts = [tokens * n, tokens * n * n, tokens * m, tokens].map(alignedBytes);
  const needs = Math.max(
    functions.manifoldMapsGradientScratch(n),
    functions.projectGradientScratch(k, m),
    functions.sinkhornGradientScratch(n, iterations, deepseek),
  );
  const dPre = scratch(parts.reduce((sum, bytes) => sum + bytes, needs));
  const dLogits = dPre + parts[0];
  const dp = dLogits + parts[1];
  const ds = dp + parts[2];
  const work = ds + parts[3];
  functions.sinkhornGradient(logits, dRes, dLogits, tokens, n, iterations, deepseek, epsilon, work);
  // A strip of the projection's gradient takes u's gradient in where it is of one stream alone.
  const together = channels % functions.projectGradientStrip() === 0;
  if (together) functions.streamDots(x, du, dPre, tokens, n, channels);
  else functions.readStreamsGradient(pre, x, du, through, dPre, dx, tokens, n, channels);
  functions.manifoldMapsGradient(p, s, alpha, b, dPre, dPost, dLogits, dp, ds, dAlpha, db, tokens, n, work);
  if (together) functions.projectGradient(x, phi, s, dp, ds, through, dx, dPhi, tokens, k, m, work, pre, du, n);
  else functions.projectGradient(x, phi, s, dp, ds, dx, dx, dPhi, tokens, k, m, work, 0, 0, 1);
}

export const openManifoldKernels = [wasmKernel(OPEN_MANIFOLD, open), wasmKernel(OPEN_MANIFOLD_GRADIENT, openGradient)];
