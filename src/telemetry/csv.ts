/** Rows of comma-separated values (RFC 4180), for the command line and the page. Line ends are the caller's. */

/** A row without its line end: what is not known (null, undefined) is an empty cell, a text is quoted where it must be. */
export const csvRow = (cells: readonly (string | number | null | undefined)[]): string =>
  cells.map((cell) => quoted(String(cell ?? ''))).join(',');

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
