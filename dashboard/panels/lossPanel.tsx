/** Loss and gradient norm of the chosen run, and the loss of the others over it. */
import { LineChart } from '../charts/lineChart.tsx';
import { bandLine } from '../model/bandLine.ts';
import type { Line } from '../model/lines.ts';
import { tick } from '../state/redraw.ts';
import { bandsFor } from '../state/store.ts';
import { currentTheme } from '../state/theme.ts';
import { view } from '../state/viewState.ts';
import { Panel } from './panel.tsx';
import { runLines } from './runLines.ts';

const NORM = { label: 'gradient norm', width: 1.2, right: true, dashed: true, value: 'middle' as const, log: false };

function normLine(run: string): Line[] {
  const { smooth, hidden } = view.value;
  const bands = hidden.includes(run) ? null : bandsFor(run, 'gradientNorm');
  if (bands === null || bands.bands.length === 0) return [];
  return [bandLine(bands, bands.bands[0], { ...NORM, id: `gradient norm ${run}`, colour: currentTheme().soft, smooth })];
}

function Chart() {
  tick.value;
  const { run } = view.value;
  if (run === null) return null;
  return (
    <LineChart
      id="loss"
      title="Loss and gradient norm"
      lines={[...runLines('loss', { name: 'loss', width: 2, value: 'middle' }), ...normLine(run)]}
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
