/** The streams after a connection on cpu, sums in float64. */
import { WRITE_STREAMS, WRITE_STREAMS_GRADIENT } from '../operations/writeStreams.ts';
import { cpuKernel, dotProduct } from './cpuKernel.ts';

const forward = cpuKernel(WRITE_STREAMS, ([res, x, post, branch], [out], [, shape]) => {
  const [n, channels] = shape.slice(-2);
  for (let row = 0; row < post.length; row++) {
    const t = Math.floor(row / n);
    for (let c = 0; c < channels; c++) {
      let sum = post[row] * branch[t * channels + c];
      for (let j = 0; j < n; j++) sum += res[row * n + j] * x[(t * n + j) * channels + c];
      out[row * channels + c] = sum;
    }
  }
});

const gradient = cpuKernel(WRITE_STREAMS_GRADIENT, ([res, x, post, branch, dOut], [dRes, dx, dPost, dBranch], [, shape]) => {
  const [n, channels] = shape.slice(-2);
  for (let t = 0; t < post.length / n; t++) {
    for (let i = 0; i < n; i++) {
      const row = t * n + i;
      dPost[row] = dotProduct(dOut, row * channels, branch, t * channels, channels);
      for (let j = 0; j < n; j++) dRes[row * n + j] = dotProduct(dOut, row * channels, x, (t * n + j) * channels, channels);
    }
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += post[t * n + i] * dOut[(t * n + i) * channels + c];
      dBranch[t * channels + c] = sum;
      for (let j = 0; j < n; j++) {
        let column = 0;
        for (let i = 0; i < n; i++) column += res[(t * n + i) * n + j] * dOut[(t * n + i) * channels + c];
        dx[(t * n + j) * channels + c] = column;
      }
    }
  }
});

export const writeStreamsKernels = [forward, gradient];
