/** Puts lines, thresholds and a forecast into a Chart.js chart and draws it. Keeps its objects; asks no store. */
import type { ChartDataset } from 'chart.js';
import { currentTheme, type Theme } from '../theme.ts';
import { axisFor, type Cone, cut, type Extent, extentOf, gapBehind, type Line, type Threshold, type XKind, xOf } from './lines.ts';
import { setOverlay } from './overlay.ts';
import { idOf, isHeld, type LineChart, type Point, xAxis, yAxis } from './setup.ts';

export interface Drawing {
  lines: readonly Line[];
  x: XKind;
  log: boolean;
  title: string;
  right?: string | undefined;
  thresholds: readonly Threshold[];
  cone: Cone | null;
  /** Ends of the x axis. */
  range: Extent;
  perStep: number;
}

type Dataset = ChartDataset<'line', Point[]>;

const MARKS = ' marks';
/** Below the axis' lower end on a log axis, but not lost. */
const place = (value: number, log: boolean, { min }: Extent) => (log && value <= 0 ? min : value);

/** Overwrites what is there: the same points again and again. */
function fill(points: Point[], line: Line, kind: XKind, log: boolean, axis: Extent): void {
  const xs = xOf(line, kind);
  let n = 0;
  const put = (x: number, y: number, step: number) => {
    const point = points[n];
    if (point === undefined) points.push({ x, y, step });
    else Object.assign(point, { x, y, step });
    n++;
  };
  for (let i = 0; i < xs.length; i++) {
    const value = line.y[i];
    put(xs[i], value === null || !Number.isFinite(value) ? Number.NaN : place(value, log, axis), line.steps[i]);
    if (gapBehind(line.steps, i)) put((xs[i] + xs[i + 1]) / 2, Number.NaN, line.steps[i]);
  }
  points.length = n;
}

interface Mark extends Point {
  text: string;
  above: boolean;
  nan: boolean;
  colour: string;
}

/** One mark for what is not finite at a step, with the names of the lines; at the ends of the left axis. */
function marksOf(lines: readonly Line[], kind: XKind, axis: Extent): Mark[] {
  const marks = new Map<string, Mark>();
  for (const line of lines) {
    const xs = xOf(line, kind);
    const values = line.band ? (line.high ?? []) : line.y;
    for (let i = 0; i < xs.length; i++) {
      const value = values[i];
      if (value === null || Number.isFinite(value)) continue;
      const name = Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '−Inf';
      const key = `${line.steps[i]} ${name}`;
      const known = marks.get(key);
      if (known !== undefined) {
        if (known.text.length < 60) known.text = `${line.label}, ${known.text}`;
        continue;
      }
      const place = { x: xs[i], y: name === '+Inf' ? axis.max : axis.min, step: line.steps[i] };
      marks.set(key, { ...place, text: `${line.label}: ${name}`, above: name === '+Inf', nan: name === 'NaN', colour: line.colour });
    }
  }
  return [...marks.values()].sort((a, b) => a.x - b.x);
}

function marksDataset(marks: Mark[], before: Dataset | undefined): Dataset {
  return Object.assign(before ?? {}, {
    label: MARKS,
    data: marks,
    showLine: false,
    clip: false as const,
    order: -1,
    pointRadius: 5,
    pointHoverRadius: 7,
    pointHoverBorderWidth: 2,
    pointStyle: marks.map(({ nan }) => (nan ? 'crossRot' : 'triangle')),
    pointRotation: marks.map(({ nan, above }) => (nan || above ? 0 : 180)),
    pointBorderWidth: marks.map(({ nan }) => (nan ? 2 : 1)),
    pointBorderColor: marks.map(({ colour }) => colour),
    pointBackgroundColor: marks.map(({ colour }) => colour),
  } satisfies Dataset);
}

function lineDataset(line: Line, { x, log }: Drawing, axis: Extent, before: Dataset | undefined): Dataset {
  const data = before?.data ?? [];
  fill(data, line, x, log, axis);
  const dataset: Dataset = {
    label: line.label,
    data,
    borderColor: line.colour,
    backgroundColor: line.colour,
    borderWidth: line.width ?? 1.5,
    borderDash: line.dashed ? [5, 3] : [],
    yAxisID: line.right ? 'right' : 'y',
    // A single point is no line.
    pointRadius: data.length === 1 ? 3 : 0,
  };
  return Object.assign(before ?? {}, dataset);
}

/** What of the options depends on more than the values; set again only where it changed: Chart.js resolves them anew. */
const looks = new WeakMap<LineChart, string>();

function dress(chart: LineChart, { x, log, title, right }: Drawing, theme: Theme): void {
  const look = JSON.stringify([x, log, title, right, theme]);
  if (looks.get(chart) === look) return;
  looks.set(chart, look);
  const base = { ink: theme.soft, line: theme.line };
  chart.options.scales = {
    x: xAxis(x, { ...base, title: '' }),
    y: yAxis(log, false, { ...base, title }),
    ...(right === undefined ? {} : { right: yAxis(false, true, { ...base, title: right }) }),
  };
}

/** Thresholds that are worth the room: on a log axis those near above the values, on a linear one only when nearly reached. */
function roomFor({ thresholds, cone, log }: Drawing, highest: number): number[] {
  const wanted = thresholds.map(({ value }) => value).filter((value) => value < highest * (log ? 30 : 1.5));
  return cone === null ? wanted : [...wanted, cone.threshold];
}

export function draw(chart: LineChart, drawing: Drawing): void {
  const { x, log, right } = drawing;
  const theme = currentTheme();
  dress(chart, drawing, theme);
  const range = isHeld(chart) ? { min: chart.scales['x'].min, max: chart.scales['x'].max } : drawing.range;
  const { lines } = drawing;
  const seen = lines.map((line) => cut(line, x, range));
  const left = seen.filter((line) => !line.right);
  const alone = extentOf(left, log);
  const y = axisFor(alone === null ? null : extentOf(left, log, roomFor(drawing, alone.max)), log);
  const rightAxis =
    right === undefined
      ? null
      : axisFor(
          extentOf(
            seen.filter((line) => line.right),
            false,
          ),
          false,
        );
  Object.assign(chart.options.scales!['x']!, range);
  Object.assign(chart.options.scales!['y']!, y);
  if (rightAxis !== null) Object.assign(chart.options.scales!['right']!, rightAxis);

  const before = new Map(chart.data.datasets.map((dataset) => [idOf.get(dataset) ?? MARKS, dataset]));
  const datasets = lines
    .filter(({ band }) => !band)
    .map((line) => {
      const dataset = lineDataset(line, drawing, line.right && rightAxis !== null ? rightAxis : y, before.get(line.id));
      idOf.set(dataset, line.id);
      return dataset;
    });
  const marks = marksOf(lines, x, y);
  if (marks.length > 0) datasets.push(marksDataset(marks, before.get(MARKS)));
  chart.data.datasets = datasets;
  const { cone, thresholds, perStep } = drawing;
  setOverlay(chart, { lines, kind: x, cone, thresholds, ink: theme.ink, soft: theme.soft, perStep });
  chart.update('none');
}
