/** The data table behind a chart. Once a second at most: it is for reading. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { MOST_ROWS, tableOf } from '../model/exports.ts';
import type { Line } from '../model/lines.ts';
import { timeLabel } from '../model/ticks.ts';

const REFRESH_EVERY = 1000;

interface Props {
  id: string;
  title: string;
  lines: readonly Line[];
}

export function DataTable({ id, title, lines }: Props) {
  const newest = useRef(lines);
  newest.current = lines;
  const [table, setTable] = useState(() => tableOf(lines));
  useEffect(() => {
    let drawn = newest.current;
    const timer = setInterval(() => {
      if (drawn === newest.current || document.hidden) return;
      drawn = newest.current;
      setTable(tableOf(drawn));
    }, REFRESH_EVERY);
    return () => clearInterval(timer);
  }, []);
  const { columns, rows, total } = table;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section class="chart-table" id={`table-${id}`} data-testid={`table-${id}`} tabIndex={0} aria-label={`${title}: table`}>
      <table>
        <caption>
          {title}, newest first
          {total > MOST_ROWS ? `: the newest ${MOST_ROWS} of ${total} points. CSV and JSON have all.` : `: ${total} points.`}
        </caption>
        <thead>
          <tr>
            <th scope="col">step</th>
            <th scope="col">time</th>
            {columns.map((label) => (
              <th scope="col" key={label}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ step, time, cells }) => (
            <tr key={step}>
              <th scope="row">{step}</th>
              <td>{timeLabel(time)}</td>
              {cells.map((cell, c) => (
                <td key={columns[c]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
