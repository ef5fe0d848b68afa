/** The coefficients of HC on cpu, in float64. */
import { HYPER_MAPS, HYPER_MAPS_GRADIENT } from '../operations/hyperMaps.ts';
import { cpuKernel } from './cpuKernel.ts';

/** Which of pre, post and res a row of p's columns is, and where its value for stream j of token t lies there. */
const entryAt = (t: number, m: number, j: number, n: number) => (m < 2 ? [m, t * n + j] : [2, (t * n + m - 2) * n + j]);

const forward = cpuKernel(HYPER_MAPS, ([p, s, alpha, b], maps, [, , , [rows, n]]) => {
  for (let t = 0; t < s.length / n; t++) {
    for (let m = 0; m < rows; m++) {
      for (let j = 0; j < n; j++) {
        const [part, to] = entryAt(t, m, j, n);
        maps[part][to] = alpha[part] * Math.tanh(s[t * n + j] * p[(t * n + j) * rows + m]) + b[m * n + j];
      }
    }
  }
});

const gradient = cpuKernel(HYPER_MAPS_GRADIENT, ([p, s, alpha, , ...dMaps], [dp, ds, dAlpha, db], [, , , [rows, n]]) => {
  const alphaSums = new Float64Array(3);
  const bSums = new Float64Array(rows * n);
  for (let t = 0; t < s.length / n; t++) {
    for (let j = 0; j < n; j++) {
      const scale = s[t * n + j];
      let scaleSum = 0;
      for (let m = 0; m < rows; m++) {
        const at = (t * n + j) * rows + m;
        const [part, from] = entryAt(t, m, j, n);
        const dh = dMaps[part][from];
        const y = Math.tanh(scale * p[at]);
        const dz = dh * alpha[part] * (1 - y * y);
        dp[at] = dz * scale;
        scaleSum += dz * p[at];
        alphaSums[part] += dh * y;
        bSums[m * n + j] += dh;
      }
      ds[t * n + j] = scaleSum;
    }
  }
  dAlpha.set(alphaSums);
  db.set(bSums);
});

export const hyperMapsKernels = [forward, gradient];
