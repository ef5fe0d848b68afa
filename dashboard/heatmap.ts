/** Gain over connections (rows) and steps (columns), blitted as an ImageData: 64 × 2000 cells cost nothing to speak of. */
import { shown } from './format.ts';
import type { Point } from './history.ts';
import { currentTheme, gainColour } from './theme.ts';

export interface Heatmap {
  /** @param rows one series for each connection, all over the same steps */
  draw(names: string[], rows: Point[][]): void;
}

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;

/** Of the larger side, log10: colours are told apart from 10 % of gain on. */
const LEAST_RANGE = Math.log10(1.1);

/** @param pick called with the number of the row that was clicked */
export function createHeatmap(pick: (row: number) => void): Heatmap {
  const canvas = element<HTMLCanvasElement>('heatmap');
  const scale = element<HTMLCanvasElement>('heat-scale');
  let shownNames: string[] = [];
  let shownRows: Point[][] = [];
  const cellAt = (event: MouseEvent) => {
    const box = canvas.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * shownRows.length);
    const columns = shownRows[0]?.length ?? 0;
    const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
    return shownRows[row]?.[column] === undefined ? null : { row, point: shownRows[row][column] };
  };
  canvas.addEventListener('click', (event) => {
    const cell = cellAt(event);
    if (cell !== null) pick(cell.row);
  });
  canvas.addEventListener('mousemove', (event) => {
    const cell = cellAt(event);
    element('heat-value').textContent = cell === null ? '' : `${shownNames[cell.row]}, step ${cell.point.x}: ${shown(cell.point.y)}`;
  });
  canvas.addEventListener('mouseleave', () => {
    element('heat-value').textContent = '';
  });
  return {
    draw: (names, rows) => {
      shownNames = names;
      shownRows = rows;
      const { dark } = currentTheme();
      const columns = rows[0]?.length ?? 0;
      let range = LEAST_RANGE;
      for (const row of rows) for (const { y } of row) if (y > 0 && Number.isFinite(y)) range = Math.max(range, Math.abs(Math.log10(y)));
      blit(canvas, columns, rows.length, (row, column) => colourOf(rows[row][column].y, range, dark));
      blit(scale, scale.width, 1, (_, column) => gainColour((2 * column) / (scale.width - 1) - 1, dark));
      element('heat-low').textContent = shown(10 ** -range, 3);
      element('heat-high').textContent = shown(10 ** range, 3);
      const first = rows[0]?.[0]?.x;
      const steps = first === undefined ? '' : `steps ${first} to ${rows[0].at(-1)!.x}; ${names.length} connections, the first on top`;
      element('heat-axis').textContent = steps;
    },
  };
}

/** What is not finite is as bad as can be seen. */
function colourOf(gain: number, range: number, dark: boolean): [number, number, number] {
  if (!Number.isFinite(gain)) return dark ? [255, 255, 255] : [0, 0, 0];
  return gainColour(gain > 0 ? Math.log10(gain) / range : -1, dark);
}

function blit(
  canvas: HTMLCanvasElement,
  columns: number,
  rows: number,
  colour: (row: number, column: number) => [number, number, number],
): void {
  canvas.width = Math.max(1, columns);
  canvas.height = Math.max(1, rows);
  const context = canvas.getContext('2d');
  if (context === null || columns === 0 || rows === 0) return;
  const image = context.createImageData(columns, rows);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [r, g, b] = colour(row, column);
      image.data[at++] = r;
      image.data[at++] = g;
      image.data[at++] = b;
      image.data[at++] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}
