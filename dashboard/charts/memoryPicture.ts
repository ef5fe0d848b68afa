/** The bars of the memory panel as a picture to keep: ticks, bars, title and legend. Saves nothing. */

import { bytes } from '../model/format.ts';
import { barPaths, byteTicks, highestOf, type Memory, nameOf } from '../model/memory.ts';
import { currentTheme, depthColour } from '../state/theme.ts';
import { pictureOf } from './save.ts';

const SIZE = { width: 720, height: 320 };
const LEFT = 70;
const SHARP = 2;

/** @returns null where the browser makes no picture */
export function memoryPicture({ stacks }: Memory, title: string, count: number): Promise<Blob | null> {
  const canvas = document.createElement('canvas');
  const { width, height } = SIZE;
  canvas.width = SHARP * width;
  canvas.height = SHARP * height;
  const context = canvas.getContext('2d')!;
  context.scale(SHARP, SHARP);
  const { soft, line } = currentTheme();
  const highest = highestOf(stacks);
  context.font = '10px system-ui, sans-serif';
  context.fillStyle = soft;
  context.strokeStyle = line;
  for (const tick of byteTicks(highest)) {
    const y = height * (1 - tick / highest);
    context.fillText(bytes(tick), 12, y + 10);
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
  return pictureOf(canvas, title, legend, SIZE);
}
