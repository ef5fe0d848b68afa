/** The heatmap as a picture to keep: with title, names of the rows, steps and scale. Saves nothing. */
import { shown } from '../model/format.ts';
import { labelEvery } from '../model/heat.ts';
import { currentTheme } from '../state/theme.ts';
import { paintScale } from './heatPaint.ts';

const LINE = 18;
const EDGE = 12;
const FONT = '12px system-ui, sans-serif';
const NAMES = '10px system-ui, sans-serif';

/** @returns null where the browser makes no picture */
export function heatPicture(map: HTMLCanvasElement, title: string, names: readonly string[], steps: readonly number[], range: number) {
  const picture = document.createElement('canvas');
  const context = picture.getContext('2d')!;
  const ratio = map.width / map.clientWidth;
  context.font = NAMES;
  const left = 2 * EDGE + Math.max(0, ...names.map((name) => context.measureText(name).width));
  const top = EDGE + 2 * LINE;
  picture.width = (left + map.clientWidth + EDGE) * ratio;
  picture.height = (top + map.clientHeight + 4 * LINE) * ratio;
  const { ink, dark } = currentTheme();
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--panel') || 'white';
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(map, Math.round(left * ratio), Math.round(top * ratio));
  context.scale(ratio, ratio);
  context.fillStyle = ink;
  context.textBaseline = 'middle';
  context.font = `600 ${FONT}`;
  context.fillText(title, EDGE, EDGE + LINE / 2);
  context.font = NAMES;
  const height = map.clientHeight / Math.max(1, names.length);
  const every = labelEvery(height);
  context.textAlign = 'right';
  names.forEach((name, r) => {
    if (r % every === 0) context.fillText(name, left - EDGE / 2, top + (r + 0.5) * height);
  });
  context.font = FONT;
  const below = top + map.clientHeight + LINE;
  const right = left + map.clientWidth;
  context.fillText(`step ${steps.at(-1) ?? ''}`, right, below);
  context.textAlign = 'left';
  context.fillText(`step ${steps[0] ?? ''}`, left, below);
  const scale = document.createElement('canvas');
  scale.width = 160;
  scale.height = 10;
  paintScale(scale, dark);
  context.drawImage(scale, left, below + LINE);
  [-1, 0, 1].forEach((end) => {
    context.textAlign = end < 0 ? 'left' : end > 0 ? 'right' : 'center';
    context.fillText(shown(10 ** (end * range), 3), left + 80 + 80 * end, below + 2 * LINE);
  });
  return new Promise<Blob | null>((resolve) => picture.toBlob(resolve, 'image/png'));
}
