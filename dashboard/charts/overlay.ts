/**
 * Drawn by hand below the lines of a chart: bands from minimum to maximum, thresholds and the forecast cone. A plugin of
 * Chart.js. (chartjs-plugin-annotation took a quarter of a redraw for two thresholds.)
 */
import type { Chart, Plugin } from 'chart.js';
import { type Cone, type Extent, firstFrom, gapBehind, type Line, type Threshold, type XKind, xOf } from '../model/lines.ts';
import { currentTheme } from '../state/theme.ts';

/** All that a chart shows; draw.ts puts the lines and axes into Chart.js. */
export interface Drawing {
  lines: readonly Line[];
  x: XKind;
  log: boolean;
  title: string;
  right?: string | undefined;
  thresholds: readonly Threshold[];
  cone: Cone | null;
  /** Ends of the x axis. */
  range: Extent;
  /** Of one step, in the unit of the x axis. */
  perStep: number;
}

const overlays = new WeakMap<Chart, Drawing>();

/** For the next time that the chart is drawn. */
export const setOverlay = (chart: Chart, drawing: Drawing): void => {
  overlays.set(chart, drawing);
};

/** Points of each edge of the cone: exponential growth is no straight line on a linear axis. */
const CURVE = 24;

/** Keeps what is infinite, or no place on a log axis, at the edge. */
function pixelsOf(chart: Chart, line: Line): (value: number) => number {
  const { top, bottom } = chart.chartArea;
  const scale = chart.scales[line.right ? 'right' : 'y'];
  return (value) => {
    const pixel = scale.getPixelForValue(value);
    return Number.isFinite(pixel) ? Math.min(bottom + 1, Math.max(top - 1, pixel)) : value > 0 ? top - 1 : bottom + 1;
  };
}

/** One filled shape for each stretch without a gap and without NaN. */
function drawBand(chart: Chart, line: Line, kind: XKind): void {
  const { low, high } = line;
  if (low === undefined || high === undefined) return;
  const { ctx, scales } = chart;
  const xs = xOf(line, kind);
  const pixel = pixelsOf(chart, line);
  const from = Math.max(0, firstFrom(xs, scales['x'].min) - 1);
  const to = Math.min(xs.length, firstFrom(xs, scales['x'].max) + 1);
  ctx.fillStyle = line.colour;
  ctx.strokeStyle = line.colour;
  ctx.lineWidth = 1;
  let [across, lows, highs]: number[][] = [[], [], []];
  const finish = () => {
    if (across.length === 0) return;
    ctx.beginPath();
    for (let k = 0; k < across.length; k++) ctx.lineTo(across[k], highs[k]);
    for (let k = across.length - 1; k >= 0; k--) ctx.lineTo(across[k], lows[k]);
    ctx.closePath();
    ctx.globalAlpha = line.band ? 0.13 : 0.16;
    ctx.fill();
    // Else it has a line along it.
    if (line.band) {
      ctx.globalAlpha = 0.3;
      ctx.stroke();
    }
    [across, lows, highs] = [[], [], []];
  };
  for (let i = from; i < to; i++) {
    const bottom = low[i];
    const top = high[i];
    if (bottom !== null && top !== null) {
      if (Number.isNaN(bottom) || Number.isNaN(top)) finish();
      else {
        across.push(scales['x'].getPixelForValue(xs[i]));
        lows.push(pixel(bottom));
        highs.push(pixel(top));
      }
    }
    if (gapBehind(line, i)) finish();
  }
  finish();
  ctx.globalAlpha = 1;
}

function drawThresholds({ ctx, chartArea: { left, right }, scales }: Chart, { thresholds }: Drawing): void {
  const { ink, soft } = currentTheme();
  ctx.strokeStyle = soft;
  ctx.fillStyle = ink;
  ctx.lineWidth = 1;
  ctx.font = 'bold 10px sans-serif';
  ctx.textBaseline = 'top';
  for (const { value, label } of thresholds) {
    const y = Math.round(scales['y'].getPixelForValue(value)) + 0.5;
    ctx.beginPath();
    ctx.setLineDash([6, 4]);
    ctx.moveTo(left, y);
    ctx.lineTo(right, y);
    ctx.stroke();
    // Below: above, the highest would be cut off.
    ctx.fillText(label, left + 4, y + 3);
  }
  ctx.setLineDash([]);
}

function drawCone(chart: Chart, { cone, perStep, x: kind }: Drawing): void {
  if (cone === null) return;
  const { ink } = currentTheme();
  const { ctx, scales } = chart;
  const x0 = kind === 'step' ? cone.step : cone.time;
  const way = Math.log((cone.threshold - cone.base) / (cone.value - cone.base));
  const end = scales['x'].max;
  const at = (x: number, value: number) => ctx.lineTo(scales['x'].getPixelForValue(x), scales['y'].getPixelForValue(value));
  const edge = (steps: number): [number, number][] =>
    Array.from({ length: CURVE + 1 }, (_, i) => [
      x0 + (i / CURVE) * steps * perStep,
      cone.base + (cone.value - cone.base) * Math.exp((i / CURVE) * way),
    ]);
  ctx.beginPath();
  for (const [x, value] of edge(cone.low)) at(x, value);
  if (Number.isFinite(cone.high)) for (const [x, value] of edge(cone.high).reverse()) at(x, value);
  else {
    at(Math.max(end, x0 + cone.low * perStep), cone.threshold);
    at(Math.max(end, x0), cone.value);
  }
  ctx.closePath();
  ctx.fillStyle = ink;
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1;
  ctx.globalAlpha = 0.18;
  ctx.fill();
  ctx.globalAlpha = 0.6;
  ctx.setLineDash([3, 3]);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
}

/** To be registered with Chart.js. */
export const overlayPlugin: Plugin<'line'> = {
  id: 'overlay',
  beforeDatasetsDraw: (chart) => {
    const drawing = overlays.get(chart);
    if (drawing === undefined) return;
    const { ctx, chartArea } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(chartArea.left, chartArea.top, chartArea.width, chartArea.height);
    ctx.clip();
    for (const line of drawing.lines) drawBand(chart, line, drawing.x);
    drawThresholds(chart, drawing);
    drawCone(chart, drawing);
    ctx.restore();
  },
};
