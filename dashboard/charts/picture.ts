/** Pictures to keep: a canvas in the colours of the page with a title, and a chart in it with its legend. Saves nothing. */
import type { Line } from '../model/lines.ts';
import { currentTheme } from '../state/theme.ts';

export const FONT = '12px system-ui, sans-serif';
/** Of text, and between the lines of a legend, px. */
export const EDGE = 12;
export const ROW = 18;
/** Room for the title. */
const TOP = 30;

/** Size of a picture in pixels of the page, and how many of its own there are for each. */
interface PictureSize {
  width: number;
  height: number;
  ratio: number;
}

/** The ground and the title are there; drawn in pixels of the page, in the colour of text. */
export function startPicture(canvas: HTMLCanvasElement, { width, height, ratio }: PictureSize, title: string): CanvasRenderingContext2D {
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
export const pngOf = (canvas: HTMLCanvasElement): Promise<Blob | null> => new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));

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
