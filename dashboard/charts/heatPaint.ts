/** Paints the heatmap on a canvas: an image of one pixel per row, stretched, and the lines over it. Knows no view and no store. */
import type { Band } from '../model/bands.ts';
import { brokenColour, css, gainColour } from '../model/colours.ts';
import { BLANK, BROKEN, type Columns, columnOfStep, ONE, pixelCodes, pixelsOf, scaleShare } from '../model/heat.ts';

/** What is painted; sizes in pixels of the device. A row need not be a whole number of them high. */
export interface Drawing {
  rows: readonly Band[];
  columns: Columns;
  pixels: Columns;
  width: number;
  height: number;
  image: HTMLCanvasElement;
  data: ImageData | null;
  /** Is nothing known of some pixels? */
  blank: boolean;
}

export interface Overlay {
  step: number | null;
  /** Row; -1: none. */
  selected: number;
  ink: string;
  line: string;
  /** Pixels of the device per pixel of the page. */
  ratio: number;
}

const palettes = new Map<boolean, Uint32Array>();

/** Of every code, as little-endian RGBA; what is blank is transparent. */
function paletteOf(dark: boolean): Uint32Array {
  const colourOf = (_: unknown, code: number) => {
    if (code === BLANK) return 0;
    const [r, g, b] = code === BROKEN ? brokenColour(dark) : gainColour(scaleShare(code), dark);
    return (255 << 24) | (b << 16) | (g << 8) | r;
  };
  const palette = palettes.get(dark) ?? Uint32Array.from({ length: 256 }, colourOf);
  palettes.set(dark, palette);
  return palette;
}

/** Everything but the lines over it. `before` was made for the same canvas: it is used again. */
export function prepare(
  rows: readonly Band[],
  columns: Columns,
  range: number,
  { width, height }: { width: number; height: number },
  dark: boolean,
  before: Drawing | null,
): Drawing {
  const image = before?.image ?? document.createElement('canvas');
  const pixels = pixelsOf(columns, width);
  const context = image.getContext('2d');
  let data = before?.data ?? null;
  let blank = true;
  if (context !== null && width > 0 && rows.length > 0) {
    if (data?.width !== width || data.height !== rows.length) {
      image.width = width;
      image.height = rows.length;
      data = context.createImageData(width, rows.length);
    }
    const palette = paletteOf(dark);
    const colours = new Uint32Array(data.data.buffer);
    const codes = pixelCodes(rows, pixels, range, width);
    for (let p = 0; p < codes.length; p++) colours[p] = palette[codes[p]];
    context.putImageData(data, 0, 0);
    blank = codes.includes(BLANK);
  }
  return { rows, columns, pixels, width, height, image, data, blank };
}

/** Onto the canvas, which takes the size of the drawing. */
export function paint(canvas: HTMLCanvasElement, drawing: Drawing, overlay: Overlay): void {
  const { rows, columns, pixels, width, height, image } = drawing;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.clearRect(0, 0, width, height);
  if (drawing.blank) hatch(context, overlay);
  context.imageSmoothingEnabled = false;
  context.drawImage(image, 0, 0, width, height);
  const { step, selected, ink, ratio } = overlay;
  const stroke = Math.max(1, Math.round(ratio));
  context.fillStyle = ink;
  const at = step === null ? -1 : columnOfStep(columns, step);
  if (at >= 0) context.fillRect(Math.round((pixels.from[at] + pixels.to[at] - stroke) / 2), 0, stroke, height);
  if (selected < 0 || selected >= rows.length) return;
  const rowHeight = height / rows.length;
  const thick = Math.min(2 * stroke, Math.max(1, rowHeight >> 1));
  // Around a low row, not over it.
  const room = rowHeight < 4 * thick ? thick : 0;
  const top = Math.max(0, Math.round(selected * rowHeight) - room);
  const bottom = Math.min(height, Math.round((selected + 1) * rowHeight) + room);
  context.fillRect(0, top, width, thick);
  context.fillRect(0, bottom - thick, width, thick);
  context.fillRect(0, top, thick, bottom - top);
  context.fillRect(width - thick, top, thick, bottom - top);
}

/** Where nothing is known. */
function hatch(context: CanvasRenderingContext2D, { line, ratio }: Overlay): void {
  const { width, height } = context.canvas;
  const gap = Math.round(7 * ratio);
  context.strokeStyle = line;
  context.lineWidth = Math.max(1, Math.round(ratio));
  context.beginPath();
  for (let x = -height; x < width; x += gap) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
}

/** The scale from its low end to its high one. */
export function paintScale(canvas: HTMLCanvasElement, dark: boolean): void {
  const context = canvas.getContext('2d');
  if (context === null) return;
  const { width, height } = canvas;
  for (let x = 0; x < width; x++) {
    context.fillStyle = css(gainColour(scaleShare(2 + ((ONE - 2) * 2 * x) / (width - 1)), dark));
    context.fillRect(x, 0, 1, height);
  }
}
