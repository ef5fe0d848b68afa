/** Loss and gradient norm of the chosen run, and the loss of the others over it. */

import { LineChart } from '../charts/lineChart.tsx';
import { bandLine } from '../model/bandLine.ts';
import type { Line } from '../model/lines.ts';
import { runsShown } from '../model/view.ts';
import { tick } from '../state/redraw.ts';
import { bandsFor } from '../state/store.ts';
import { colourOfRun, currentTheme } from '../state/theme.ts';
import { view } from '../state/viewState.ts';
import { Panel } from './panel.tsx';

function scalarLine(run: string, scalar: 'loss' | 'gradientNorm', label: string, colour: string): Line[] {
  const bands = bandsFor(run, scalar);
  if (bands === null || bands.bands.length === 0) return [];
  const right = scalar === 'gradientNorm';
  const { smooth } = view.value;
  const id = right ? `gradient norm ${run}` : `loss ${run}`;
  const width = right ? 1.2 : 2;
  return [bandLine(bands, bands.bands[0], { id, label, colour, width, right, dashed: right, value: 'middle', smooth, log: false })];
}

function Chart() {
  tick.value;
  const { run, hidden } = view.value;
  if (run === null) return null;
  const together = runsShown(view.value);
  const lines = together
    .filter((name) => !hidden.includes(name))
    .flatMap((name) => scalarLine(name, 'loss', together.length > 1 ? `loss of ${name}` : 'loss', colourOfRun(name, together)));
  const norm = hidden.includes(run) ? [] : scalarLine(run, 'gradientNorm', 'gradient norm', currentTheme().soft);
  return (
    <LineChart
      id="loss"
      title="Loss and gradient norm"
      lines={[...lines, ...norm]}
      track={bandsFor(run, 'loss')}
      unit="loss"
      right="gradient norm"
      empty="Nothing to show."
    />
  );
}

export function LossPanel() {
  return (
    <Panel id="loss" title="Loss and gradient norm" height="var(--chart)">
      <Chart />
    </Panel>
  );
}
