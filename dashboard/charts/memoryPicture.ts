/** The bars of the memory panel as a picture to keep: ticks, bars, title and legend. Saves nothing. */
import { depthColour } from '../model/colours.ts';
import { bytes } from '../model/format.ts';
import { barPaths, byteTicks, highestOf, type Memory, nameOf } from '../model/memoryStacks.ts';
import { currentTheme } from '../state/theme.ts';
import { chartPicture, EDGE } from './picture.ts';

const SIZE = { width: 720, height: 320 };
/** Room for the ticks. */
const LEFT = 70;
/** Pixels of the picture per pixel of the page. */
const RATIO = 2;

/** Of `count` connections; null where the browser makes no picture. */
export function memoryPicture({ stacks }: Memory, title: string, count: number): Promise<Blob | null> {
  const canvas = document.createElement('canvas');
  const { width, height } = SIZE;
  canvas.width = RATIO * width;
  canvas.height = RATIO * height;
  const context = canvas.getContext('2d')!;
  context.scale(RATIO, RATIO);
  const { soft, line } = currentTheme();
  const highest = highestOf(stacks);
  context.font = '10px system-ui, sans-serif';
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
  return chartPicture(canvas, title, legend, SIZE);
}
