/** The buttons below a chart: its table, and what it shows as PNG, CSV and JSON. */
import { fileName } from '../model/exports.ts';
import { view } from '../state/viewState.ts';

/** Long enough for the browser to begin: then the address is given back. */
const REVOKE_MS = 10_000;

function save(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), REVOKE_MS);
}

interface Props {
  /** Of the chart; in the names of the files, and of its table. */
  id: string;
  title: string;
  note?: string | undefined;
  /** Is the table shown? */
  table: boolean;
  onTable(): void;
  /** null where the browser makes no picture. */
  png(): Promise<Blob | null>;
  csv(): string;
  json(): string;
}

export function ChartTools({ id, title, note, table, onTable, png, csv, json }: Props) {
  const tool = (label: string, type: string, make: () => string | Promise<Blob | null>) => {
    const press = async () => {
      const made = await make();
      const name = fileName(view.value.run ?? '', id, label.toLowerCase());
      if (made !== null) save(name, typeof made === 'string' ? new Blob([made], { type }) : made);
    };
    return (
      <button type="button" aria-label={`${title}: save as ${label}`} onClick={() => void press()}>
        {label}
      </button>
    );
  };
  return (
    <div class="row chart-tools">
      {note === undefined ? null : <span class="chart-note soft">{note}</span>}
      <button type="button" aria-expanded={table} aria-controls={`table-${id}`} aria-label={`${title}: table`} onClick={onTable}>
        Table
      </button>
      {tool('PNG', 'image/png', png)}
      {tool('CSV', 'text/csv', csv)}
      {tool('JSON', 'application/json', json)}
    </div>
  );
}
