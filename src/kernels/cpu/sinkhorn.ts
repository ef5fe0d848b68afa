/** Sinkhorn–Knopp on cpu, in float64: that of src/measures. */
import { sinkhorn as sinkhorn64, sinkhornGradient as sinkhornGradient64 } from '../../measures/sinkhornKnopp.ts';
import type { Attributes } from '../operation.ts';
import { readSinkhornAttributes, SINKHORN, SINKHORN_GRADIENT } from '../operations/sinkhorn.ts';
import { cpuKernel } from './cpuKernel.ts';

function options64(attributes: Attributes) {
  const { deepseek, ...rest } = readSinkhornAttributes(attributes);
  return { ...rest, convention: deepseek ? 'deepseek' : 'paper' } as const;
}

const forward = cpuKernel(SINKHORN, ([logits], [out], [shape], attributes) => {
  out.set(sinkhorn64(Float64Array.from(logits), shape.at(-1) as number, options64(attributes)));
});

const gradient = cpuKernel(SINKHORN_GRADIENT, ([logits, dy], [out], [shape], attributes) => {
  const n = shape.at(-1) as number;
  out.set(sinkhornGradient64(Float64Array.from(logits), Float64Array.from(dy), n, options64(attributes)));
});

export const sinkhornKernels = [forward, gradient];
