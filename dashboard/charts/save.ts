/** Saves a chart: a picture with title and legend on the ground of the theme, or text. */

import type { Line } from '../model/lines.ts';
import { currentTheme } from '../state/theme.ts';

export function save(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export const saveText = (name: string, type: string, text: string): void => save(name, new Blob([text], { type }));

const ROW = 18;

/** Of the legend. */
type Entry = Pick<Line, 'label' | 'colour' | 'band'>;

/** Places of the legend's entries, in rows no wider than `width`. */
function legendOf(ctx: CanvasRenderingContext2D, lines: readonly Entry[], width: number): { line: Entry; x: number; row: number }[] {
  let [x, row] = [12, 0];
  return lines.map((line) => {
    const wide = 34 + ctx.measureText(line.label).width;
    if (x > 12 && x + wide > width) [x, row] = [12, row + 1];
    const entry = { line, x, row };
    x += wide;
    return entry;
  });
}

/**
 * @param size in pixels of the page
 * @returns null where the browser makes no picture
 */
export function pictureOf(
  chart: HTMLCanvasElement,
  title: string,
  lines: readonly Entry[],
  size = { width: chart.clientWidth, height: chart.clientHeight },
): Promise<Blob | null> {
  const picture = document.createElement('canvas');
  const ctx = picture.getContext('2d')!;
  const scale = chart.width / size.width;
  const font = '12px system-ui, sans-serif';
  ctx.font = font;
  const entries = legendOf(ctx, lines, size.width);
  const top = 30;
  const bottom = ROW * ((entries.at(-1)?.row ?? 0) + 1) + 10;
  picture.width = chart.width;
  picture.height = chart.height + (top + bottom) * scale;
  const { ink } = currentTheme();
  ctx.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--panel') || 'white';
  ctx.fillRect(0, 0, picture.width, picture.height);
  ctx.drawImage(chart, 0, top * scale);
  ctx.scale(scale, scale);
  ctx.textBaseline = 'middle';
  ctx.fillStyle = ink;
  ctx.font = `600 ${font}`;
  ctx.fillText(title, 12, 16);
  ctx.font = font;
  for (const { line, x, row } of entries) {
    const y = top + size.height + row * ROW + 12;
    ctx.fillStyle = line.colour;
    ctx.globalAlpha = line.band ? 0.35 : 1;
    ctx.fillRect(x, y - (line.band ? 5 : 1.5), 14, line.band ? 10 : 3);
    ctx.globalAlpha = 1;
    ctx.fillStyle = ink;
    ctx.fillText(line.label, x + 18, y);
  }
  return new Promise((resolve) => picture.toBlob(resolve, 'image/png'));
}
