/**
 * Pictures to keep, in the colours of the page and with a title: a chart with its legend, the heatmap with names and scale, the bars of
 * the memory with ticks. Saves nothing.
 */
import { depthColour } from '../model/colours.ts';
import { bytes, shown } from '../model/format.ts';
import { labelEvery } from '../model/heat.ts';
import type { Line } from '../model/lines.ts';
import { barPaths, byteTicks, highestOf, type Memory, nameOf } from '../model/memoryStacks.ts';
import { currentTheme } from '../state/theme.ts';
import { paintScale } from './heatPaint.ts';

const FONT = '12px system-ui, sans-serif';
/** Of text, and between the lines of a legend, px. */
const EDGE = 12;
const ROW = 18;
/** Room for the title. */
const TOP = 30;

/** Size in pixels of the page; `ratio`: how many of its own a picture has for each. */
interface PictureSize {
  width: number;
  height: number;
  ratio: number;
}

/** The ground and the title are there; drawn in pixels of the page, in the colour of text. */
function startPicture(canvas: HTMLCanvasElement, { width, height, ratio }: PictureSize, title: string): CanvasRenderingContext2D {
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d')!;
  const { ink, panel } = currentTheme();
  context.fillStyle = panel;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(ratio, ratio);
  context.textBaseline = 'middle';
  context.fillStyle = ink;
  context.font = `600 ${FONT}`;
  context.fillText(title, EDGE, 16);
  context.font = FONT;
  return context;
}

/** null where the browser makes no picture. */
const pngOf = (canvas: HTMLCanvasElement): Promise<Blob | null> => new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));

/** Of the legend. */
type Entry = Pick<Line, 'label' | 'colour' | 'band'>;

/** Where the legend's entries stand, in rows no wider than `width`. */
function legendOf(context: CanvasRenderingContext2D, lines: readonly Entry[], width: number): { line: Entry; x: number; row: number }[] {
  let [x, row] = [EDGE, 0];
  context.font = FONT;
  return lines.map((line) => {
    const wide = 34 + context.measureText(line.label).width;
    if (x > EDGE && x + wide > width) [x, row] = [EDGE, row + 1];
    const entry = { line, x, row };
    x += wide;
    return entry;
  });
}

/** A chart with its title and legend, as PNG. `size`: of the chart, in pixels of the page. null where the browser makes no picture. */
export function chartPicture(
  chart: HTMLCanvasElement,
  title: string,
  lines: readonly Entry[],
  size = { width: chart.clientWidth, height: chart.clientHeight },
): Promise<Blob | null> {
  const canvas = document.createElement('canvas');
  const entries = legendOf(canvas.getContext('2d')!, lines, size.width);
  const bottom = ROW * ((entries.at(-1)?.row ?? 0) + 1) + 10;
  const ratio = chart.width / size.width;
  const context = startPicture(canvas, { width: size.width, height: size.height + TOP + bottom, ratio }, title);
  context.drawImage(chart, 0, TOP, size.width, size.height);
  const ink = context.fillStyle;
  for (const { line, x, row } of entries) {
    const y = TOP + size.height + row * ROW + EDGE;
    context.fillStyle = line.colour;
    context.globalAlpha = line.band ? 0.35 : 1;
    context.fillRect(x, y - (line.band ? 5 : 1.5), 14, line.band ? 10 : 3);
    context.globalAlpha = 1;
    context.fillStyle = ink;
    context.fillText(line.label, x + 18, y);
  }
  return pngOf(canvas);
}

// ── the heatmap ──

const NAMES = '10px system-ui, sans-serif';
const SCALE = { width: 160, height: 10 };

/** `range` as of `rangeOf`; null where the browser makes no picture. */
export function heatPicture(map: HTMLCanvasElement, title: string, names: readonly string[], steps: readonly number[], range: number) {
  const canvas = document.createElement('canvas');
  const measured = canvas.getContext('2d')!;
  measured.font = NAMES;
  const left = Math.ceil(2 * EDGE + Math.max(0, ...names.map((name) => measured.measureText(name).width)));
  const top = EDGE + 2 * ROW;
  const size = { width: left + map.clientWidth + EDGE, height: top + map.clientHeight + 4 * ROW, ratio: map.width / map.clientWidth };
  const context = startPicture(canvas, size, title);
  context.drawImage(map, left, top, map.clientWidth, map.clientHeight);
  context.font = NAMES;
  const height = map.clientHeight / Math.max(1, names.length);
  const every = labelEvery(height);
  context.textAlign = 'right';
  names.forEach((name, r) => {
    if (r % every === 0) context.fillText(name, left - EDGE / 2, top + (r + 0.5) * height);
  });
  context.font = FONT;
  const below = top + map.clientHeight + ROW;
  context.fillText(`step ${steps.at(-1) ?? ''}`, left + map.clientWidth, below);
  context.textAlign = 'left';
  context.fillText(`step ${steps[0] ?? ''}`, left, below);
  const scale = Object.assign(document.createElement('canvas'), SCALE);
  paintScale(scale, currentTheme().dark);
  context.drawImage(scale, left, below + ROW);
  const middle = SCALE.width / 2;
  for (const end of [-1, 0, 1]) {
    context.textAlign = end < 0 ? 'left' : end > 0 ? 'right' : 'center';
    context.fillText(shown(10 ** (end * range), 3), left + middle * (1 + end), below + 2 * ROW);
  }
  return pngOf(canvas);
}

// ── the memory ──

const BARS = { width: 720, height: 320 };
/** Room for the ticks. */
const LEFT = 70;
/** Pixels of the picture per pixel of the page. */
const RATIO = 2;

/** Of `count` connections; null where the browser makes no picture. */
export function memoryPicture({ stacks }: Memory, title: string, count: number): Promise<Blob | null> {
  const canvas = document.createElement('canvas');
  const { width, height } = BARS;
  canvas.width = RATIO * width;
  canvas.height = RATIO * height;
  const context = canvas.getContext('2d')!;
  context.scale(RATIO, RATIO);
  const { soft, line } = currentTheme();
  const highest = highestOf(stacks);
  context.font = NAMES;
  context.fillStyle = soft;
  context.strokeStyle = line;
  for (const tick of byteTicks(highest)) {
    const y = height * (1 - tick / highest);
    context.fillText(bytes(tick), EDGE, y + 10);
    context.strokeRect(LEFT, y, width - LEFT, 0);
  }
  const colour = (k: number) => depthColour(k, stacks.length);
  context.translate(LEFT, 0);
  context.scale((width - LEFT) / Math.max(1, count), 1);
  barPaths(stacks, height).forEach((path, k) => {
    context.fillStyle = colour(k);
    context.fill(new Path2D(path));
  });
  const legend = stacks.map(({ kind }, k) => ({ label: nameOf(kind), colour: colour(k), band: false }));
  return chartPicture(canvas, title, legend, BARS);
}
