/** The charts of a run as a whole: loss and gradient norm, step time and what the monitor costs, deviation of all its connections. */
import type { RunScalar } from '../../src/telemetry/catalogue.ts';
import { LineChart } from '../charts/lineChart.tsx';
import type { Value } from '../model/bands.ts';
import { lineColour } from '../model/colours.ts';
import { shareOfTime, shown } from '../model/format.ts';
import { grownWorst } from '../model/grown.ts';
import { bandLine, type Line } from '../model/lines.ts';
import { runsShown } from '../model/view.ts';
import { tick } from '../state/redraw.ts';
import { bandsFor, dataOf } from '../state/store.ts';
import { colourOfRun, currentTheme } from '../state/theme.ts';
import { view } from '../state/viewState.ts';

interface Look {
  /** Of the scalar, in the labels. */
  name: string;
  width: number;
  value: 'largest' | 'middle';
  /** What a value is multiplied by. */
  factor?: number;
}

/** A scalar of the shown runs, each in the colour of its run: of those that are not switched off and have it. */
function runLines(scalar: RunScalar, { name, width, value, factor = 1 }: Look): Line[] {
  const { hidden, smooth } = view.value;
  const together = runsShown(view.value);
  const scaled = (values: Value[]) => (factor === 1 ? values : values.map((each) => (each === null ? null : factor * each)));
  return together
    .filter((run) => !hidden.includes(run))
    .flatMap((run) => {
      const bands = bandsFor(run, scalar);
      const [band] = bands?.bands ?? [];
      if (bands === null || band === undefined) return [];
      const label = together.length > 1 ? `${name} of ${run}` : name;
      const look = { id: `${name} ${run}`, label, colour: colourOfRun(run, together), width, value, smooth, log: false };
      return [bandLine(bands, { min: scaled(band.min), max: scaled(band.max) }, look)];
    });
}

const NORM = { label: 'gradient norm', width: 1.2, right: true, dashed: true, value: 'middle' as const, log: false };

function normLine(run: string): Line[] {
  const { smooth, hidden } = view.value;
  const bands = hidden.includes(run) ? null : bandsFor(run, 'gradientNorm');
  if (bands === null || bands.bands.length === 0) return [];
  return [bandLine(bands, bands.bands[0], { ...NORM, id: `gradient norm ${run}`, colour: currentTheme().soft, smooth })];
}

/** Loss and gradient norm of the chosen run, and the loss of the others over it. */
export function LossChart() {
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
    />
  );
}

/** How long a step takes. */
export function StepTimeChart() {
  tick.value;
  const { run } = view.value;
  if (run === null) return null;
  const lines = runLines('stepSeconds', { name: 'step time', width: 1.5, value: 'largest', factor: 1000 });
  return <LineChart id="stepTime" title="Step time" lines={lines} track={bandsFor(run, 'stepSeconds')} unit="ms" />;
}

/** What the monitor itself costs. */
export function Cost() {
  tick.value;
  const known = dataOf(view.value.run);
  if (known === null || known.latest === null) return null;
  const { overheadSeconds, samplesDropped, errors } = known.latest.monitor;
  const share = shareOfTime(overheadSeconds, known.latest.time - known.detail.startedAt);
  const lost = samplesDropped + errors > 0 ? `, ${samplesDropped} samples dropped, ${errors} errors` : '';
  return (
    <span class="soft">
      monitor: {shown(overheadSeconds, 3)} s so far{share === null ? '' : ` (${shown(share, 2)} %)`}
      {lost}
    </span>
  );
}

const SIDES = [
  { measure: 'rowDeviation', label: 'row' },
  { measure: 'columnDeviation', label: 'column' },
];

function deviationLines(run: string, { measure, label }: (typeof SIDES)[number], colour: string): Line[] {
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

/** How far row and column sums are from 1: the worst of all connections, and the open one. */
export function DeviationChart() {
  tick.value;
  const { run, hidden, log } = view.value;
  const { dark } = currentTheme();
  if (run === null) return null;
  if (dataOf(run)?.detail.connections.length === 0) return <p class="note soft chart-empty">This run has no connections.</p>;
  return (
    <LineChart
      id="deviation"
      title="Deviation of row and column sums"
      lines={hidden.includes(run) ? [] : SIDES.flatMap((side, i) => deviationLines(run, side, lineColour(i, dark)))}
      track={bandsFor(run, SIDES[0].measure)}
      log={log}
      unit="distance from 1"
    />
  );
}
