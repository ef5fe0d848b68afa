/** K2 in plain TypeScript. */
import { hostKernel } from '../host.ts';
import { HYPER_MAPS, HYPER_MAPS_GRADIENT, MANIFOLD_MAPS, MANIFOLD_MAPS_GRADIENT, streamsOf } from '../maps.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Which α a column of n² + 2n has. */
const partOf = (column: number, n: number): number => (column < n ? 0 : column < 2 * n ? 1 : 2);

const manifold = hostKernel('cpu', MANIFOLD_MAPS, ([p, s, alpha, b], [pre, post, res], _shapes, { epsilon }) => {
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

const manifoldGradient = hostKernel('cpu', MANIFOLD_MAPS_GRADIENT, ([p, s, alpha, b, dPre, dPost, dRes], [dp, ds, dAlpha, db]) => {
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

const hyper = hostKernel('cpu', HYPER_MAPS, ([p, s, alpha, b], [pre, post, res], [, , , [rows, n]]) => {
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

const hyperGradient = hostKernel(
  'cpu',
  HYPER_MAPS_GRADIENT,
  ([p, s, alpha, , dPre, dPost, dRes], [dp, ds, dAlpha, db], [, , , [rows, n]]) => {
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
  },
);

export const mapsOnHost = [manifold, manifoldGradient, hyper, hyperGradient];
