/** Sinkhorn–Knopp on wasm. */
import { readSinkhornAttributes, SINKHORN, SINKHORN_GRADIENT } from '../operations/sinkhorn.ts';
import { sizeOf, wasmKernel } from './wasmKernel.ts';

/** [tokens, n] of matrices `[..., n, n]`. */
const sizes = (shape: number[]) => [sizeOf(shape.slice(0, -2)), shape.at(-1) as number];

const forward = wasmKernel(SINKHORN, ({ functions, inputs: [logits], outputs: [out], shapes: [shape], attributes, scratch }) => {
  const [tokens, n] = sizes(shape);
  const { iterations, deepseek, epsilon } = readSinkhornAttributes(attributes);
  functions.sinkhorn(logits, out, tokens, n, iterations, deepseek, epsilon, scratch(functions.sinkhornScratch(n)));
});

const gradient = wasmKernel(SINKHORN_GRADIENT, ({ functions, inputs, outputs: [out], shapes: [shape], attributes, scratch }) => {
  const [logits, dOut] = inputs;
  const [tokens, n] = sizes(shape);
  const { iterations, deepseek, epsilon } = readSinkhornAttributes(attributes);
  const work = scratch(functions.sinkhornGradientScratch(n, iterations, deepseek));
  functions.sinkhornGradient(logits, dOut, out, tokens, n, iterations, deepseek, epsilon, work);
});

export const sinkhornKernels = [forward, gradient];
