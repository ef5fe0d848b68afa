/** The warnings of the run: which severities, the timeline (warningsTimeline.tsx) and the list (warningsTable.tsx). */
import { SEVERITIES, type Severity } from '../../src/telemetry/warning.ts';
import { signOf } from '../model/signs.ts';
import { countsOf } from '../model/timeline.ts';
import { tick } from '../state/redraw.ts';
import { dataOf } from '../state/store.ts';
import { change, shownRange, view } from '../state/viewState.ts';
import { Panel } from './panel.tsx';
import { Runbook } from './runbookDialog.tsx';
import { Sign } from './sign.tsx';
import { Choices, Toggle } from './toggle.tsx';
import './warningsPanel.css';
import { WarningsTable } from './warningsTable.tsx';
import { Timeline } from './warningsTimeline.tsx';

/** The worst first. */
const WORST_FIRST = SEVERITIES.toReversed();

const isShown = (severity: Severity): boolean => view.value.severities.split(',').includes(severity);

function toggle(severity: Severity): void {
  const shown = WORST_FIRST.filter((each) => isShown(each) !== (each === severity));
  change({ severities: shown.join(',') });
}

function Filter() {
  void tick.value;
  const counts = countsOf(dataOf(view.value.run)?.warnings ?? []);
  return (
    <Choices label="Severities shown">
      {WORST_FIRST.map((severity) => (
        <Toggle key={severity} pressed={isShown(severity)} onPress={() => toggle(severity)}>
          <Sign kind={signOf(severity)} /> {severity} {counts[severity]}
        </Toggle>
      ))}
    </Choices>
  );
}

function Warnings() {
  void tick.value;
  const { run } = view.value;
  const known = dataOf(run);
  if (run === null || known === null) return <p class="note soft">Loading …</p>;
  const { warnings, detail } = known;
  const shown = warnings.filter(({ severity }) => isShown(severity));
  if (shown.length === 0) {
    const hidden = warnings.length === 0 ? '' : ` ${warnings.length} of other severities are not shown.`;
    return <p class="note soft">{`${warnings.length === 0 ? 'No warning was raised.' : 'No such warning.'}${hidden}`}</p>;
  }
  const last = detail.lastStep ?? 0;
  const range = shownRange(view.value, detail.lastStep);
  const first = Math.min(detail.attempts[0]?.forkStep ?? 0, last);
  const axis = { from: range.from ?? first, to: Math.max(range.to ?? last, (range.from ?? first) + 1) };
  const open = view.value.warning;
  const select = (id: number) => change({ warning: open === id ? null : id });
  return (
    <div class="stack warnings">
      <Timeline warnings={shown} from={axis.from} to={axis.to} lastStep={last} selected={open} onSelect={select} />
      <WarningsTable known={known} warnings={shown} selected={open} onSelect={select} />
    </div>
  );
}

export function WarningsPanel() {
  return (
    <>
      <Panel id="warnings" title="Warnings" wide height="220px" tools={<Filter />}>
        <Warnings />
      </Panel>
      <Runbook />
    </>
  );
}
