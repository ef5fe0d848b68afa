/** K3 in plain TypeScript, in float64: that of src/measures. */
import { sinkhorn as sinkhorn64 } from '../../measures/sinkhorn.ts';
import { sinkhornGradient as sinkhornGradient64 } from '../../measures/sinkhornGradient.ts';
import { hostKernel } from '../host.ts';
import type { Attributes } from '../run.ts';
import { SINKHORN, SINKHORN_GRADIENT, type SinkhornOptions } from '../sinkhorn.ts';

const options64 = (attributes: Attributes): SinkhornOptions => ({
  iterations: attributes['iterations'] as number,
  convention: attributes['deepseek'] ? 'deepseek' : 'paper',
  epsilon: attributes['epsilon'] as number,
});

const forward = hostKernel('cpu', SINKHORN, ([logits], [out], [shape], attributes) => {
  out.set(sinkhorn64(Float64Array.from(logits), shape.at(-1) as number, options64(attributes)));
});

const gradient = hostKernel('cpu', SINKHORN_GRADIENT, ([logits, dy], [out], [shape], attributes) => {
  const n = shape.at(-1) as number;
  out.set(sinkhornGradient64(Float64Array.from(logits), Float64Array.from(dy), n, options64(attributes)));
});

export const sinkhornOnHost = [forward, gradient];
