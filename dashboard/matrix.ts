/** The token-mean H_res of one connection as a small table, with the sums of its rows and columns. */
import type { WireNumber } from '../src/telemetry/wire.ts';
import { fromWire, shown } from './format.ts';
import { currentTheme, gainColour } from './theme.ts';

export function drawMatrix(container: HTMLElement, connection: string, values: WireNumber[] | undefined): void {
  if (values === undefined) {
    container.replaceChildren();
    return;
  }
  const n = Math.sqrt(values.length);
  const h = values.map(fromWire);
  const { dark } = currentTheme();
  const table = document.createElement('table');
  table.className = n > 4 ? 'many' : '';
  const caption = table.createCaption();
  caption.textContent = `${connection}: row i receives from stream j; mean over the sampled tokens`;
  const cell = (row: HTMLTableRowElement, value: number, kind: 'td' | 'th') => {
    const element = row.appendChild(document.createElement(kind));
    element.textContent = Number.isFinite(value) ? value.toFixed(n > 4 ? 2 : 3) : shown(value);
    if (kind === 'td') {
      const [r, g, b] = gainColour(Math.max(-1, Math.min(1, value)) * 0.6, dark);
      element.style.backgroundColor = `rgb(${r} ${g} ${b})`;
      element.style.color = 0.3 * r + 0.6 * g + 0.1 * b > 130 ? '#10151b' : '#ffffff';
    }
  };
  const label = (row: HTMLTableRowElement, text: string) => {
    row.appendChild(document.createElement('th')).textContent = text;
  };
  for (let i = 0; i < n; i++) {
    const row = table.insertRow();
    for (let j = 0; j < n; j++) cell(row, h[i * n + j], 'td');
    cell(
      row,
      h.slice(i * n, (i + 1) * n).reduce((a, b) => a + b, 0),
      'th',
    );
    if (i === 0) row.cells[n].title = 'row sum';
  }
  const sums = table.insertRow();
  for (let j = 0; j < n; j++)
    cell(
      sums,
      h.filter((_, k) => k % n === j).reduce((a, b) => a + b, 0),
      'th',
    );
  label(sums, 'Σ');
  container.replaceChildren(table);
}
