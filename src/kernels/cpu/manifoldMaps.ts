/** The coefficients of mHC on cpu, in float64. */
import { streamsOf } from '../operations/coefficients.ts';
import { MANIFOLD_MAPS, MANIFOLD_MAPS_GRADIENT } from '../operations/manifoldMaps.ts';
import { cpuKernel } from './cpuKernel.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Which α a column of n² + 2n has. */
const partOf = (column: number, n: number): number => (column < n ? 0 : column < 2 * n ? 1 : 2);

const forward = cpuKernel(MANIFOLD_MAPS, ([p, s, alpha, b], [pre, post, res], _shapes, { epsilon }) => {
  const width = b.length;
  const n = streamsOf(width);
  for (let t = 0; t < s.length; t++) {
    for (let c = 0; c < width; c++) {
      const h = alpha[partOf(c, n)] * s[t] * p[t * width + c] + b[c];
      if (c < n) pre[t * n + c] = sigmoid(h) + (epsilon as number);
      else if (c < 2 * n) post[t * n + c - n] = 2 * sigmoid(h);
      else res[t * n * n + c - 2 * n] = h;
    }
  }
});

const gradient = cpuKernel(MANIFOLD_MAPS_GRADIENT, ([p, s, alpha, b, dPre, dPost, dRes], [dp, ds, dAlpha, db]) => {
  const width = b.length;
  const n = streamsOf(width);
  const alphaSums = new Float64Array(3);
  const bSums = new Float64Array(width);
  for (let t = 0; t < s.length; t++) {
    let scaleSum = 0;
    for (let c = 0; c < width; c++) {
      const at = t * width + c;
      const part = partOf(c, n);
      let dh: number;
      if (part === 2) dh = dRes[t * n * n + c - 2 * n];
      else {
        const y = sigmoid(alpha[part] * s[t] * p[at] + b[c]);
        dh = part === 0 ? dPre[t * n + c] * y * (1 - y) : 2 * dPost[t * n + c - n] * y * (1 - y);
      }
      dp[at] = dh * alpha[part] * s[t];
      scaleSum += dh * alpha[part] * p[at];
      alphaSums[part] += dh * s[t] * p[at];
      bSums[c] += dh;
    }
    ds[t] = scaleSum;
  }
  dAlpha.set(alphaSums);
  db.set(bSums);
});

export const manifoldMapsKernels = [forward, gradient];
