/** Causal attention and its gradient on cpu, in plain TypeScript and float64, row by row: what the mask hides is not computed. */
import { ATTENTION, ATTENTION_GRADIENT } from '../operations/causalAttention.ts';
import { cpuKernel, dotProduct, type HostArray } from './cpuKernel.ts';

/** Each head of each batch element: where its queries, its output and its probabilities begin. */
function headsOf([batch, time, width]: number[], heads: number) {
  const channels = width / 3;
  const size = channels / heads;
  return Array.from({ length: batch * heads }, (_, i) => {
    const [b, h] = [Math.floor(i / heads), i % heads];
    return { q: b * time * width + h * size, o: b * time * channels + h * size, p: i * time * time, channels, size };
  });
}

/** to += factor · from */
function addScaled(to: Float32Array, at: number, from: HostArray, start: number, factor: number, size: number): void {
  for (let i = 0; i < size; i++) to[at + i] += factor * from[start + i];
}

const forward = cpuKernel(ATTENTION, ([qkv], [out, probabilities], [shape], { heads }) => {
  const [, time, width] = shape;
  out.fill(0);
  probabilities.fill(0);
  for (const { q, o, p, channels, size } of headsOf(shape, heads as number)) {
    for (let t = 0; t < time; t++) {
      const scores = Array.from({ length: t + 1 }, (_, s) => dotProduct(qkv, q + t * width, qkv, q + channels + s * width, size));
      const highest = scores.reduce((a, b) => Math.max(a, b));
      const exps = scores.map((score) => Math.exp((score - highest) / Math.sqrt(size)));
      const total = exps.reduce((a, b) => a + b);
      exps.forEach((e, s) => {
        probabilities[p + t * time + s] = e / total;
        addScaled(out, o + t * channels, qkv, q + 2 * channels + s * width, e / total, size);
      });
    }
  }
});

const gradient = cpuKernel(ATTENTION_GRADIENT, ([qkv, probabilities, dy], [dQkv], [shape, [, heads]]) => {
  dQkv.fill(0);
  const [, time, width] = shape;
  for (const { q, o, p, channels, size } of headsOf(shape, heads)) {
    for (let t = 0; t < time; t++) {
      const row = p + t * time;
      const dOut = o + t * channels;
      const [queries, keys, values] = [q + t * width, q + channels, q + 2 * channels];
      const d = Array.from({ length: t + 1 }, (_, s) => dotProduct(dy, dOut, qkv, values + s * width, size));
      const mean = d.reduce((sum, ds, s) => sum + probabilities[row + s] * ds, 0);
      d.forEach((ds, s) => {
        const dScore = (probabilities[row + s] * (ds - mean)) / Math.sqrt(size);
        addScaled(dQkv, values + s * width, dy, dOut, probabilities[row + s], size);
        addScaled(dQkv, queries, qkv, keys + s * width, dScore, size);
        addScaled(dQkv, keys + s * width, qkv, queries, dScore, size);
      });
    }
  }
});

export const causalAttentionKernels = [forward, gradient];
