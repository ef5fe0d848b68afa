/** K4 and K5 in plain TypeScript, sums in float64. */
import { dotProduct, hostKernel } from '../host.ts';
import { READ_STREAMS, READ_STREAMS_GRADIENT, WRITE_STREAMS, WRITE_STREAMS_GRADIENT } from '../streams.ts';

/** [n, C] of streams `[..., n, C]`. */
const sizes = (shape: readonly number[]) => shape.slice(-2) as [number, number];

const read = hostKernel('cpu', READ_STREAMS, ([pre, x], [u], [, shape]) => {
  const [n, channels] = sizes(shape);
  for (let t = 0; t < pre.length / n; t++) {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += pre[t * n + j] * x[(t * n + j) * channels + c];
      u[t * channels + c] = sum;
    }
  }
});

const readGradient = hostKernel('cpu', READ_STREAMS_GRADIENT, ([pre, x, du, through], [dPre, dx], [, shape]) => {
  const [n, channels] = sizes(shape);
  for (let row = 0; row < pre.length; row++) {
    const from = Math.floor(row / n) * channels;
    const at = row * channels;
    dPre[row] = dotProduct(du, from, x, at, channels);
    for (let c = 0; c < channels; c++) dx[at + c] = through[at + c] + pre[row] * du[from + c];
  }
});

const write = hostKernel('cpu', WRITE_STREAMS, ([res, x, post, branch], [out], [, shape]) => {
  const [n, channels] = sizes(shape);
  for (let row = 0; row < post.length; row++) {
    const t = Math.floor(row / n);
    for (let c = 0; c < channels; c++) {
      let sum = post[row] * branch[t * channels + c];
      for (let j = 0; j < n; j++) sum += res[row * n + j] * x[(t * n + j) * channels + c];
      out[row * channels + c] = sum;
    }
  }
});

const writeGradient = hostKernel('cpu', WRITE_STREAMS_GRADIENT, ([res, x, post, branch, dOut], [dRes, dx, dPost, dBranch], [, shape]) => {
  const [n, channels] = sizes(shape);
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

export const streamsOnHost = [read, readGradient, write, writeGradient];
