/** The heatmap as a picture to keep: with title, names of the rows, steps and scale. Saves nothing. */
import { shown } from '../model/format.ts';
import { labelEvery } from '../model/heat.ts';
import { currentTheme } from '../state/theme.ts';
import { paintScale } from './heatPaint.ts';
import { EDGE, FONT, pngOf, ROW, startPicture } from './picture.ts';

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
