/** How far row and column sums are from 1: the worst of all connections, and the open one. */
import { LineChart } from '../charts/lineChart.tsx';
import { bandLine } from '../model/bandLine.ts';
import { lineColour } from '../model/colours.ts';
import { grownWorst } from '../model/grown.ts';
import type { Line } from '../model/lines.ts';
import { tick } from '../state/redraw.ts';
import { bandsFor } from '../state/store.ts';
import { currentTheme } from '../state/theme.ts';
import { view } from '../state/viewState.ts';
import { Panel } from './panel.tsx';

const SIDES = [
  { measure: 'rowDeviation', label: 'row' },
  { measure: 'columnDeviation', label: 'column' },
];

function linesOf(run: string, { measure, label }: (typeof SIDES)[number], colour: string): Line[] {
  const bands = bandsFor(run, measure);
  if (bands === null) return [];
  const { open, smooth, log } = view.value;
  const look = { colour, value: 'largest' as const, smooth, log };
  const opened = bands.bands.filter(({ connection }) => connection === open);
  return [
    bandLine(bands, grownWorst(bands), { ...look, id: `${label} worst`, label: `${label}, worst`, width: 2 }),
    ...opened.map((band) => bandLine(bands, band, { ...look, id: `${label} open`, label: `${label}, ${open}`, width: 1.2, dashed: true })),
  ];
}

function Chart() {
  tick.value;
  const { run, hidden, log } = view.value;
  const { dark } = currentTheme();
  if (run === null) return null;
  return (
    <LineChart
      id="deviation"
      title="Deviation of row and column sums"
      lines={hidden.includes(run) ? [] : SIDES.flatMap((side, i) => linesOf(run, side, lineColour(i, dark)))}
      track={bandsFor(run, SIDES[0].measure)}
      log={log}
      unit="distance from 1"
      empty="Nothing to show."
    />
  );
}

export function DeviationPanel() {
  return (
    <Panel id="deviation" title="Deviation of row and column sums" height="var(--chart)">
      <Chart />
    </Panel>
  );
}
