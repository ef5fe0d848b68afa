/** What the sender found of the run's connections when it began to watch them; no panel where it has sent nothing. */
import { ScrollArea } from '../charts/scrollTable.tsx';
import { SELF_TEST_COLUMNS, selfTestRows } from '../model/selfTestTable.ts';
import { restTick } from '../state/redraw.ts';
import { dataOf } from '../state/store.ts';
import { change, view } from '../state/viewState.ts';
import { Panel } from './panel.tsx';
import './selfTestPanel.css';

export function SelfTestPanel() {
  void restTick.value;
  const detail = dataOf(view.value.run)?.detail;
  if (detail?.selfTest == null || detail.selfTest.length === 0) return null;
  const rows = selfTestRows(
    detail.selfTest,
    detail.connections.map(({ name }) => name),
  );
  const found = rows.filter(({ findings }) => findings.length > 0).length;
  return (
    <Panel id="selfTest" title="Self-test of the connections" wide>
      <ScrollArea class="st" label="Table of the self-test">
        <table>
          <caption>
            {found === 0
              ? `Nothing was found wrong with ${rows.length} connections`
              : `${found} of ${rows.length} connections have findings`}
            , each in its first step
          </caption>
          <thead>
            <tr>
              <th scope="col">connection</th>
              {SELF_TEST_COLUMNS.map(({ label, title }) => (
                <th key={label} scope="col" title={title}>
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((entry) => (
              <tr key={entry.connection} class={entry.findings.length > 0 ? 'st-found' : ''}>
                <th scope="row">
                  <button type="button" onClick={() => change({ open: entry.connection })}>
                    {entry.connection}
                  </button>
                </th>
                {SELF_TEST_COLUMNS.map(({ label, text }) => (
                  <td key={label}>{text(entry)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollArea>
    </Panel>
  );
}
