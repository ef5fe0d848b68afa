/** The coefficients of HC on cpu, in float64. */
import { HYPER_MAPS, HYPER_MAPS_GRADIENT } from '../operations/hyperMaps.ts';
import { cpuKernel } from './cpuKernel.ts';

const forward = cpuKernel(HYPER_MAPS, ([p, s, alpha, b], [pre, post, res], [, , , [rows, n]]) => {
  for (let t = 0; t < s.length / n; t++) {
    for (let m = 0; m < rows; m++) {
      for (let j = 0; j < n; j++) {
        const h = alpha[Math.min(m, 2)] * Math.tanh(s[t * n + j] * p[(t * n + j) * rows + m]) + b[m * n + j];
        if (m === 0) pre[t * n + j] = h;
        else if (m === 1) post[t * n + j] = h;
        else res[(t * n + m - 2) * n + j] = h;
      }
    }
  }
});

const gradient = cpuKernel(HYPER_MAPS_GRADIENT, ([p, s, alpha, , dPre, dPost, dRes], [dp, ds, dAlpha, db], [, , , [rows, n]]) => {
  const alphaSums = new Float64Array(3);
  const bSums = new Float64Array(rows * n);
  for (let t = 0; t < s.length / n; t++) {
    for (let j = 0; j < n; j++) {
      const scale = s[t * n + j];
      let scaleSum = 0;
      for (let m = 0; m < rows; m++) {
        const at = (t * n + j) * rows + m;
        const dh = m === 0 ? dPre[t * n + j] : m === 1 ? dPost[t * n + j] : dRes[(t * n + m - 2) * n + j];
        const y = Math.tanh(scale * p[at]);
        const dz = dh * alpha[Math.min(m, 2)] * (1 - y * y);
        dp[at] = dz * scale;
        scaleSum += dz * p[at];
        alphaSums[Math.min(m, 2)] += dh * y;
        bSums[m * n + j] += dh;
      }
      ds[t * n + j] = scaleSum;
    }
  }
  dAlpha.set(alphaSums);
  db.set(bSums);
});

export const hyperMapsKernels = [forward, gradient];
