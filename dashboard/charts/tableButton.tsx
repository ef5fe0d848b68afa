/** The button that shows the data table behind a chart. */

interface Props {
  /** Test ids: toggle-table-ID, table-ID. */
  id: string;
  title: string;
  shown: boolean;
  onToggle(): void;
}

export function TableButton({ id, title, shown, onToggle }: Props) {
  return (
    <button
      type="button"
      data-testid={`toggle-table-${id}`}
      aria-expanded={shown}
      aria-controls={`table-${id}`}
      aria-label={`${title}: table`}
      onClick={onToggle}
    >
      Table
    </button>
  );
}
