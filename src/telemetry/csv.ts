/** Lines of comma-separated values, as RFC 4180 has them. Pure: writes no file. */
import { toWire } from './wire.ts';

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** One line, without its end. What is not known (null, undefined) is an empty cell; NaN and ±Infinity are NaN, +Inf and -Inf. */
export const csvLine = (cells: readonly (string | number | null | undefined)[]): string =>
  cells.map((cell) => (cell == null ? '' : quoted(String(typeof cell === 'number' ? toWire(cell) : cell)))).join(',');
