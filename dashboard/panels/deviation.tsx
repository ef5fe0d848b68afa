/** How far row and column sums are from 1: the worst of all connections, and the open one. */
import { bandLine } from '../charts/bandLine.ts';
import { grownWorst } from '../charts/grown.ts';
import { LineChart } from '../charts/lineChart.tsx';
import type { Line } from '../charts/lines.ts';
import { tick } from '../redraw.ts';
import { bandsFor, view } from '../store.ts';
import { runColour } from '../theme.ts';
import { Panel } from './panel.tsx';

const SIDES = [
  { measure: 'rowDeviation', label: 'row', colour: runColour(0) },
  { measure: 'columnDeviation', label: 'column', colour: runColour(1) },
];

function linesOf(run: string, { measure, label, colour }: (typeof SIDES)[number]): Line[] {
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
  if (run === null) return null;
  return (
    <LineChart
      id="deviation"
      title="Deviation of row and column sums"
      lines={hidden.includes(run) ? [] : SIDES.flatMap((side) => linesOf(run, side))}
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
