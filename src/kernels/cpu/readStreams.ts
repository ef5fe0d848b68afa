/** What a connection's branch reads on cpu, sums in float64. */
import { READ_STREAMS, READ_STREAMS_GRADIENT } from '../operations/readStreams.ts';
import { cpuKernel, dotProduct } from './cpuKernel.ts';

const forward = cpuKernel(READ_STREAMS, ([pre, x], [u], [, shape]) => {
  const [n, channels] = shape.slice(-2);
  for (let t = 0; t < pre.length / n; t++) {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += pre[t * n + j] * x[(t * n + j) * channels + c];
      u[t * channels + c] = sum;
    }
  }
});

const gradient = cpuKernel(READ_STREAMS_GRADIENT, ([pre, x, du, through], [dPre, dx], [, shape]) => {
  const [n, channels] = shape.slice(-2);
  for (let row = 0; row < pre.length; row++) {
    const from = Math.floor(row / n) * channels;
    const at = row * channels;
    dPre[row] = dotProduct(du, from, x, at, channels);
    for (let c = 0; c < channels; c++) dx[at + c] = through[at + c] + pre[row] * du[from + c];
  }
});

export const readStreamsKernels = [forward, gradient];
