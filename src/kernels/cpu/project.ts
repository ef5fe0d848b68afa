/** The projection and the inverse RMS on cpu, sums in float64. */
import { PROJECT, PROJECT_GRADIENT } from '../operations/project.ts';
import { cpuKernel } from './cpuKernel.ts';

const forward = cpuKernel(PROJECT, ([x, w], [p, s], [, [length, width]], { epsilon }) => {
  const rows = x.length / length;
  const sums = new Float64Array(width);
  for (let r = 0; r < rows; r++) {
    sums.fill(0);
    let squares = 0;
    for (let k = 0; k < length; k++) {
      const value = x[r * length + k];
      squares += value * value;
      for (let m = 0; m < width; m++) sums[m] += value * w[k * width + m];
    }
    p.set(sums, r * width);
    s[r] = 1 / Math.sqrt(squares / length + (epsilon as number));
  }
});

const gradient = cpuKernel(PROJECT_GRADIENT, ([x, w, s, dp, ds, through], [dx, dw], [, [length, width]]) => {
  const rows = x.length / length;
  const sums = new Float64Array(length * width);
  for (let r = 0; r < rows; r++) {
    const scale = (ds[r] * s[r] ** 3) / length;
    for (let k = 0; k < length; k++) {
      const at = r * length + k;
      let sum = through[at] - scale * x[at];
      for (let m = 0; m < width; m++) {
        sum += dp[r * width + m] * w[k * width + m];
        sums[k * width + m] += x[at] * dp[r * width + m];
      }
      dx[at] = sum;
    }
  }
  dw.set(sums);
});

export const projectKernels = [forward, gradient];
