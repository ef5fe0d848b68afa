/**
 * Trends by the book on ln G (ordinary least squares, Theil and Sen, Holt) and PromQL's `predict_linear` on raw G. Each
 * gives what it predicts, per step, `horizon` steps ahead; NaN before its window is full.
 */

/** Least squares over the last `window` points, at the newest plus `horizon`. */
export function leastSquares(values: Float64Array, window: number, horizon: number): Float64Array {
  const meanX = (window - 1) / 2;
  const spread = (window * (window * window - 1)) / 12;
  return values.map((_, i) => {
    if (i + 1 < window) return Number.NaN;
    let meanY = 0;
    for (let k = 0; k < window; k++) meanY += values[i + 1 - window + k];
    meanY /= window;
    let product = 0;
    for (let k = 0; k < window; k++) product += (k - meanX) * (values[i + 1 - window + k] - meanY);
    return meanY + (product / spread) * (window - 1 - meanX + horizon);
  });
}

/** Median of the slopes between all pairs of `points` points spread over the window, through the median of the points. */
export function theilSen(values: Float64Array, window: number, horizon: number, points = 20): Float64Array {
  const offsets = Array.from({ length: points }, (_, k) => Math.round((k * (window - 1)) / (points - 1)));
  const slopes = new Float64Array((points * (points - 1)) / 2);
  const intercepts = new Float64Array(points);
  return values.map((_, i) => {
    if (i + 1 < window) return Number.NaN;
    const first = i + 1 - window;
    let s = 0;
    for (let a = 0; a < points; a++) {
      for (let b = a + 1; b < points; b++)
        slopes[s++] = (values[first + offsets[b]] - values[first + offsets[a]]) / (offsets[b] - offsets[a]);
    }
    const slope = median(slopes);
    for (let a = 0; a < points; a++) intercepts[a] = values[first + offsets[a]] - slope * offsets[a];
    return median(intercepts) + slope * (window - 1 + horizon);
  });
}

/** Changes the order of the list. */
function median(list: Float64Array): number {
  list.sort();
  const middle = list.length >> 1;
  return list.length % 2 === 1 ? list[middle] : (list[middle - 1] + list[middle]) / 2;
}

/** Holt's double exponential smoothing with the weights α of the level and β of the slope. */
export function holt(values: Float64Array, alpha: number, beta: number, horizon: number): Float64Array {
  let level = values[0];
  let slope = 0;
  return values.map((value, i) => {
    if (i === 0) return Number.NaN;
    const before = level;
    level = alpha * value + (1 - alpha) * (level + slope);
    slope = beta * (level - before) + (1 - beta) * slope;
    return level + slope * horizon;
  });
}
