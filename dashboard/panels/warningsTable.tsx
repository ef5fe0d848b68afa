/** The list of warnings, newest first: what, where, since when, how long; known, runbook, and what the measures did around it. */
import { useState } from 'preact/hooks';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import { ScrollArea } from '../charts/scrollTable.tsx';
import { about, clockTime, count, duration, range } from '../model/format.ts';
import { signOf } from '../model/signs.ts';
import { endOfWarning } from '../model/timeline.ts';
import { now } from '../state/clock.ts';
import { permissions } from '../state/permissions.ts';
import { redraw } from '../state/redraw.ts';
import { acknowledge } from '../state/requests.ts';
import { type RunData, updateWarning } from '../state/store.ts';
import { change } from '../state/viewState.ts';
import { Around } from './around.tsx';
import { openRunbook } from './runbookDialog.tsx';
import { Sign } from './sign.tsx';

/** Rows, until all are asked for. Our choice: more take long to draw and are seldom read. */
const FIRST_ROWS = 50;
const COLUMNS = ['warning', 'connection', 'raised at', 'lasted', 'steps left then', 'message'];

interface RowProps {
  warning: WarningAnswer;
  known: RunData;
  open: boolean;
  onSelect: () => void;
}

function lastedWords({ step, time, active, clearedStep, clearedTime }: WarningAnswer, { detail }: RunData): string {
  const lastStep = detail.lastStep ?? step;
  const steps = count(endOfWarning({ step, clearedStep }, lastStep) - step, 'step');
  const end = clearedTime ?? detail.lastTime;
  const seconds = end === null ? '' : `, ${duration(Math.max(0, end - time) / 1000)}`;
  if (!active) return steps + seconds;
  return detail.outcome === null ? `holds, ${steps} so far` : `${steps}, to the end`;
}

function Acknowledge({ warning, known }: { warning: WarningAnswer; known: RunData }) {
  const [state, setState] = useState<{ busy: boolean; failed: string | null }>({ busy: false, failed: null });
  const { run, id, acknowledgedTime } = warning;
  if (acknowledgedTime != null) return <span class="soft">known since {clockTime(acknowledgedTime, Date.now())}</span>;
  if (known.detail.uploaded) return null;
  const { rights } = permissions.value;
  if (rights !== null && !rights.includes('decide')) {
    return (
      <button type="button" disabled title="Open the address of gainwatch with a token of --decide-token">
        Acknowledge: needs the right to decide
      </button>
    );
  }
  const press = async () => {
    setState({ busy: true, failed: null });
    try {
      updateWarning(await acknowledge(run, id));
      redraw();
      setState({ busy: false, failed: null });
    } catch (error) {
      setState({ busy: false, failed: (error as Error).message });
    }
  };
  return (
    <>
      <button type="button" disabled={state.busy} title="Tells all who watch that it is known" onClick={() => void press()}>
        Acknowledge
      </button>
      <span role="status">{state.failed === null ? '' : `Not acknowledged: ${state.failed}`}</span>
    </>
  );
}

function Row({ warning, known, open, onSelect }: RowProps) {
  const { severity, rule, connection, step, time, message, stepsLeft, interval, active } = warning;
  return (
    <>
      <tr class={`${active ? 'active' : ''}${open ? ' chosen' : ''}`}>
        <th scope="row">
          <Sign kind={signOf(severity)} /> {severity} <span>{rule}</span>
        </th>
        <td data-label="connection">
          {connection === null ? (
            'the whole run'
          ) : (
            <button type="button" title="Opens the connection" onClick={() => change({ open: connection })}>
              {connection}
            </button>
          )}
        </td>
        <td data-label="raised at" title={clockTime(time, now.peek())}>
          step {step}
        </td>
        <td data-label="lasted">{lastedWords(warning, known)}</td>
        <td data-label="steps left then">{stepsLeft === null ? '–' : `${about(stepsLeft)}${range(interval)}`}</td>
        <td class="message">
          {message}
          <div class="row acts">
            <button type="button" aria-expanded={open} onClick={onSelect}>
              Around it
            </button>
            <button type="button" aria-haspopup="dialog" onClick={() => openRunbook(rule)}>
              Runbook
            </button>
            <Acknowledge warning={warning} known={known} />
          </div>
        </td>
      </tr>
      {open ? (
        <tr class="around-row">
          <td colSpan={COLUMNS.length}>
            <Around warning={warning} known={known} />
          </td>
        </tr>
      ) : null}
    </>
  );
}

interface Props {
  known: RunData;
  warnings: readonly WarningAnswer[];
  selected: number | null;
  onSelect: (id: number) => void;
}

export function WarningsTable({ known, warnings, selected, onSelect }: Props) {
  const [all, setAll] = useState(false);
  const newest = [...warnings].reverse();
  const rows = newest.filter(({ id }, i) => all || i < FIRST_ROWS || id === selected);
  return (
    <ScrollArea class="warnings-list" label="List of warnings">
      <table>
        <thead>
          <tr>
            {COLUMNS.map((column) => (
              <th scope="col" key={column}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((warning) => (
            <Row key={warning.id} warning={warning} known={known} open={warning.id === selected} onSelect={() => onSelect(warning.id)} />
          ))}
        </tbody>
      </table>
      {rows.length === newest.length ? null : (
        <button type="button" onClick={() => setAll(true)}>
          Show all {newest.length}
        </button>
      )}
    </ScrollArea>
  );
}
