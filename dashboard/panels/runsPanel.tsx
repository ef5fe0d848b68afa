/** All runs as a table: which one the page is about, and which are overlaid. Columns and order are runTable.ts. */
import type { RunSummary } from '../../src/telemetry/api.ts';
import { ScrollArea } from '../charts/scrollTable.tsx';
import { COLUMNS, nextOrder, type Order, orderOf, orderText, sortRuns } from '../model/runTable.ts';
import { runsShown, toggled } from '../model/view.ts';
import { now } from '../state/clock.ts';
import { restTick } from '../state/redraw.ts';
import { runs } from '../state/store.ts';
import { colourOfRun } from '../state/theme.ts';
import { change, choose, view } from '../state/viewState.ts';
import './runsPanel.css';

/** null: the newest first. */
const orderNow = (): Order | null => orderOf(view.value.order);

function Heads() {
  const order = orderNow();
  return (
    <tr>
      <th scope="col">overlay</th>
      {COLUMNS.map(({ key, label, title }) => {
        const sorted = order?.key === key ? order.direction : undefined;
        return (
          <th key={key} scope="col" aria-sort={sorted ?? 'none'}>
            <button type="button" title={title} onClick={() => change({ order: orderText(nextOrder(order, key)) })}>
              {label}
              <span aria-hidden="true">{sorted === undefined ? '' : sorted === 'ascending' ? ' ▲' : ' ▼'}</span>
            </button>
          </th>
        );
      })}
    </tr>
  );
}

function Row({ row, together }: { row: RunSummary; together: readonly string[] }) {
  const { run } = row;
  const main = run === view.value.run;
  const [, ...others] = COLUMNS;
  return (
    <tr class={main ? 'main' : ''}>
      <td>
        <input
          type="checkbox"
          aria-label={main ? `${run}: is shown` : `Overlay ${run}`}
          checked={together.includes(run)}
          disabled={main}
          onChange={() => change({ compare: toggled(view.value.compare, run) })}
        />
      </td>
      <th scope="row">
        <i class="swatch run-swatch" style={{ background: together.includes(run) ? colourOfRun(run, together) : 'transparent' }} />
        <button type="button" aria-current={main} title="Shows this run" onClick={() => choose(run)}>
          {run}
        </button>
      </th>
      {others.map(({ key, text }) => (
        <td key={key} data-column={key}>
          {text(row)}
        </td>
      ))}
    </tr>
  );
}

/** The runs change with each step of each: they are looked at with each redraw, and each second where no redraw comes. */
export function Runs() {
  void [restTick.value, now.value];
  const together = runsShown(view.value);
  const rows = sortRuns(runs.peek(), orderNow());
  return (
    <ScrollArea class="runs" label="Table of runs">
      <table>
        <thead>
          <Heads />
        </thead>
        <tbody>
          {rows.map((row) => (
            <Row key={row.run} row={row} together={together} />
          ))}
        </tbody>
      </table>
    </ScrollArea>
  );
}
