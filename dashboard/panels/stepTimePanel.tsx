/** How long a step takes, and what the monitor itself costs. */
import { LineChart } from '../charts/lineChart.tsx';
import { shown } from '../model/format.ts';
import { tick } from '../state/redraw.ts';
import { bandsFor, dataOf } from '../state/store.ts';
import { view } from '../state/viewState.ts';
import { Panel } from './panel.tsx';
import { runLines } from './runLines.ts';

function Cost() {
  tick.value;
  const known = dataOf(view.value.run);
  if (known === null || known.latest === null) return null;
  const { overheadSeconds, samplesDropped, errors } = known.latest.monitor;
  // Per cent of the time that the run has taken up to its newest step, which is in ms.
  const share = (100_000 * overheadSeconds) / Math.max(1, known.latest.time - known.detail.startedAt);
  const lost = samplesDropped + errors > 0 ? `, ${samplesDropped} samples dropped, ${errors} errors` : '';
  return (
    <span class="chart-at">
      monitor: {shown(overheadSeconds, 3)} s so far ({shown(share, 2)} %){lost}
    </span>
  );
}

function Chart() {
  tick.value;
  const { run } = view.value;
  if (run === null) return null;
  const lines = runLines('stepSeconds', { name: 'step time', width: 1.5, value: 'largest', factor: 1000 });
  return (
    <LineChart id="stepTime" title="Step time" lines={lines} track={bandsFor(run, 'stepSeconds')} unit="ms" empty="Nothing to show." />
  );
}

export function StepTimePanel() {
  return (
    <Panel id="stepTime" title="Step time" height="var(--chart)" tools={<Cost />}>
      <Chart />
    </Panel>
  );
}
