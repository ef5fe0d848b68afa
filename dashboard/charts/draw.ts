/** Puts lines, thresholds and a forecast into a Chart.js chart and draws it. Keeps its objects; asks no store. */
import type { ChartDataset } from 'chart.js';
import { cut, type Extent, fill, type Line, type Mark, marksOf, type Point, radiusOf } from '../model/lines.ts';
import { axisFor, extentOf } from '../model/ticks.ts';
import { currentTheme, type Theme } from '../state/theme.ts';
import { type Drawing, setOverlay } from './overlay.ts';
import { idOf, isHeld, type LineChart, xAxis, yAxis } from './setup.ts';

type Dataset = ChartDataset<'line', Point[]>;

const MARKS = ' marks';
/** Radius of a point that no line goes through. */
const SINGLE = 2.5;

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
    pointRadius: radiusOf(data, SINGLE),
  };
  return Object.assign(before ?? {}, dataset);
}

/** What of the options depends on more than the values; set again only where it changed: Chart.js resolves them anew. */
const looks = new WeakMap<LineChart, string>();

function applyLook(chart: LineChart, { x, log, title, right }: Drawing, theme: Theme): void {
  const look = JSON.stringify([x, log, title, right, theme]);
  if (looks.get(chart) === look) return;
  looks.set(chart, look);
  chart.options.scales = {
    x: xAxis(x, theme),
    y: yAxis(title, log, false, theme),
    ...(right === undefined ? {} : { right: yAxis(right, false, true, theme) }),
  };
}

/** Thresholds that are worth the room: on a log axis those near above the values, on a linear one only when nearly reached. */
function roomFor({ thresholds, cone, log }: Drawing, highest: number): number[] {
  const wanted = thresholds.map(({ value }) => value).filter((value) => value < highest * (log ? 30 : 1.5));
  return cone === null ? wanted : [...wanted, cone.threshold];
}

/** At once, over what was drawn before. */
export function draw(chart: LineChart, drawing: Drawing): void {
  const { lines, x, log, right } = drawing;
  applyLook(chart, drawing, currentTheme());
  const range = isHeld(chart) ? { min: chart.scales['x'].min, max: chart.scales['x'].max } : drawing.range;
  const seen = lines.map((line) => cut(line, x, range));
  const left = seen.filter((line) => !line.right);
  const alone = extentOf(left, log);
  const y = axisFor(alone === null ? null : extentOf(left, log, roomFor(drawing, alone.max)), log);
  const atRight = seen.filter((line) => line.right);
  const rightAxis = right === undefined ? null : axisFor(extentOf(atRight, false), false);
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
  setOverlay(chart, drawing);
  chart.update('none');
}
