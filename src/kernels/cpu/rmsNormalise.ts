/** RMS normalisation with a gain on cpu, in float64. */
import { RMS_NORMALISE, RMS_NORMALISE_GRADIENT } from '../operations/rmsNormalise.ts';
import { cpuKernel, type HostArray } from './cpuKernel.ts';

/** 1 / √(mean x² + ε) of the row that begins at `from`. */
function inverseNorm(x: HostArray, from: number, size: number, epsilon: number): number {
  let squares = 0;
  for (let c = from; c < from + size; c++) squares += x[c] * x[c];
  return 1 / Math.sqrt(squares / size + epsilon);
}

const forward = cpuKernel(RMS_NORMALISE, ([x, gain], [y], _shapes, { epsilon }) => {
  const size = gain.length;
  for (let from = 0; from < x.length; from += size) {
    const inverse = inverseNorm(x, from, size, epsilon as number);
    for (let c = 0; c < size; c++) y[from + c] = x[from + c] * inverse * gain[c];
  }
});

const gradient = cpuKernel(RMS_NORMALISE_GRADIENT, ([x, gain, dy], [dx, dGain], _shapes, { epsilon }) => {
  const size = gain.length;
  dGain.fill(0);
  for (let from = 0; from < x.length; from += size) {
    const inverse = inverseNorm(x, from, size, epsilon as number);
    let sum = 0;
    for (let c = 0; c < size; c++) sum += dy[from + c] * gain[c] * x[from + c];
    const back = (sum * inverse * inverse) / size;
    for (let c = 0; c < size; c++) {
      dx[from + c] = (dy[from + c] * gain[c] - x[from + c] * back) * inverse;
      dGain[c] += x[from + c] * inverse * dy[from + c];
    }
  }
});

export const rmsNormaliseKernels = [forward, gradient];
