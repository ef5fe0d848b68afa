/** The data table behind a chart. Once a second at most: it is for reading. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { MAX_ROWS, tableOf } from '../model/exports.ts';
import type { Line } from '../model/lines.ts';
import { timeLabel } from '../model/ticks.ts';
import { ChartTable } from './scrollTable.tsx';

const REFRESH_MS = 1000;

export function DataTable({ id, title, lines }: { id: string; title: string; lines: readonly Line[] }) {
  const newest = useRef(lines);
  newest.current = lines;
  const [table, setTable] = useState(() => tableOf(lines));
  useEffect(() => {
    let drawn = newest.current;
    const timer = setInterval(() => {
      if (drawn === newest.current || document.hidden) return;
      drawn = newest.current;
      setTable(tableOf(drawn));
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  const { columns, rows, total } = table;
  const points = total > MAX_ROWS ? `the newest ${MAX_ROWS} of ${total} points. CSV and JSON have all.` : `${total} points.`;
  return (
    <ChartTable id={id} title={title} caption={`${title}, newest first: ${points}`} heads={['step', 'time', ...columns]}>
      {rows.map(({ step, time, cells }) => (
        <tr key={step}>
          <th scope="row">{step}</th>
          <td>{timeLabel(time)}</td>
          {cells.map((cell, c) => (
            <td key={columns[c]}>{cell}</td>
          ))}
        </tr>
      ))}
    </ChartTable>
  );
}
