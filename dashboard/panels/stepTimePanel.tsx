/** How long a step takes, and what the monitor itself costs. */

import { LineChart } from '../charts/lineChart.tsx';
import { bandLine } from '../model/bandLine.ts';
import type { Bands, Value } from '../model/bands.ts';
import { shown } from '../model/format.ts';
import { runsShown } from '../model/view.ts';
import { tick } from '../state/redraw.ts';
import { bandsFor, dataOf } from '../state/store.ts';
import { colourOfRun } from '../state/theme.ts';
import { view } from '../state/viewState.ts';
import { Panel } from './panel.tsx';

const ms = (seconds: Value): Value => (seconds === null ? null : 1000 * seconds);
const inMs = (bands: Bands): Bands => ({
  ...bands,
  bands: bands.bands.map(({ connection, min, max }) => ({ connection, min: min.map(ms), max: max.map(ms) })),
});

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
  const { run, hidden, smooth } = view.value;
  if (run === null) return null;
  const together = runsShown(view.value);
  const lines = together
    .filter((name) => !hidden.includes(name))
    .flatMap((name) => {
      const bands = bandsFor(name, 'stepSeconds');
      if (bands === null || bands.bands.length === 0) return [];
      const scaled = inMs(bands);
      const label = together.length > 1 ? `step time of ${name}` : 'step time';
      const colour = colourOfRun(name, together);
      return [
        bandLine(scaled, scaled.bands[0], { id: `step time ${name}`, label, colour, width: 1.5, value: 'largest', smooth, log: false }),
      ];
    });
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
