/** Makes a Chart.js line chart: only the parts that are used, no animation, zoom on x. What it shows is set by draw.ts. */
import {
  Chart,
  type ChartConfiguration,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
  type Scale,
  Tooltip,
} from 'chart.js';
import zoom from 'chartjs-plugin-zoom';
import { type Point, tooltipText, type XKind } from '../model/lines.ts';
import { logTicks, stepTicks, tickLabel, timeTicks } from '../model/ticks.ts';
import type { Theme } from '../state/theme.ts';
import { overlayPlugin } from './overlay.ts';

Chart.register(LinearScale, LogarithmicScale, LineController, LineElement, PointElement, Tooltip, zoom, overlayPlugin);
Chart.defaults.font.size = 11;

export type LineChart = Chart<'line', Point[]>;

interface Handlers {
  /** Ends of the x axis after zooming or panning. */
  onZoom(min: number, max: number): void;
  /** The line that was clicked, by its id. */
  onPick(id: string): void;
}

/** Charts whose x axis is held by a wheel or a pinch that goes on. */
const held = new WeakSet<Chart>();
/** Is its x axis moved by hand just now? */
export const isHeld = (chart: LineChart): boolean => held.has(chart) || chart.isZoomingOrPanning();

/** From a click to the point it is meant for, px. Our choice: the width of a fingertip. */
const MAX_CLICK_DISTANCE = 24;

/** The ids of the datasets are kept here: a label need not be unique. */
export const idOf = new WeakMap<object, string>();

/** Empty. The caller destroys it. */
export function createChart(canvas: HTMLCanvasElement, { onZoom, onPick }: Handlers): LineChart {
  const commit = ({ chart }: { chart: Chart }) => {
    held.delete(chart);
    onZoom(chart.scales['x'].min, chart.scales['x'].max);
  };
  const configuration: ChartConfiguration<'line', Point[]> = {
    type: 'line',
    data: { datasets: [] },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      parsing: false,
      normalized: true,
      layout: { padding: { top: 6 } },
      interaction: { mode: 'nearest', axis: 'xy', intersect: true },
      elements: { point: { radius: 0, hoverRadius: 4, hitRadius: 8 }, line: { tension: 0 } },
      plugins: {
        tooltip: {
          displayColors: false,
          callbacks: {
            title: () => '',
            label: ({ raw, dataset }) => tooltipText(raw as Point, dataset.label ?? ''),
          },
        },
        zoom: {
          limits: { x: { minRange: 1 } },
          pan: { enabled: true, mode: 'x', modifierKey: 'shift', threshold: 4, onPanComplete: commit },
          zoom: {
            mode: 'x',
            drag: { enabled: true, threshold: 4, backgroundColor: 'rgba(99, 150, 220, 0.25)' },
            wheel: { enabled: true, modifierKey: 'ctrl' },
            pinch: { enabled: true },
            onZoom: ({ chart, trigger }) => {
              if (trigger !== 'drag') held.add(chart);
            },
            onZoomComplete: commit,
          },
        },
      },
      onClick: (event, _elements, chart) => {
        if (event.native === null) return;
        const [found] = chart.getElementsAtEventForMode(event.native, 'nearest', { axis: 'xy', intersect: false }, false);
        if (found === undefined) return;
        const { x, y } = found.element.getProps(['x', 'y'], true);
        const id = idOf.get(chart.data.datasets[found.datasetIndex]);
        if (id !== undefined && Math.hypot(x - (event.x ?? 0), y - (event.y ?? 0)) < MAX_CLICK_DISTANCE) onPick(id);
      },
    },
  };
  const chart = new Chart(canvas, configuration);
  // Hammer sets none: then a finger on a chart could not scroll the page.
  canvas.style.touchAction = 'pan-y';
  return chart;
}

const ticksFor = (axis: Scale) => timeTicks(axis, Math.max(2, Math.floor(axis.width / 90)));

/** Whole steps, or times of day. */
export function xAxis(kind: XKind, { soft: ink, line }: Theme) {
  return {
    type: 'linear' as const,
    bounds: 'data' as const,
    grid: { color: line },
    border: { color: line },
    // Chart.js' own labels would be made by Intl, which is slow, and be written over.
    ticks: { color: ink, maxRotation: 0, autoSkip: false, callback: String },
    title: { display: true, color: ink, text: kind === 'step' ? 'step' : 'time of day', padding: 0 },
    afterBuildTicks: (axis: Scale) => {
      axis.ticks = kind === 'time' ? ticksFor(axis) : stepTicks(axis, Math.max(2, Math.floor(axis.width / 60))).map((value) => ({ value }));
    },
    afterTickToLabelConversion: (axis: Scale) => {
      if (kind === 'time') axis.ticks = ticksFor(axis);
    },
  };
}

/** Of values; `right`: the second one. */
export function yAxis(title: string, log: boolean, right: boolean, { soft: ink, line }: Theme) {
  const common = {
    position: right ? ('right' as const) : ('left' as const),
    grid: { color: line, drawOnChartArea: !right },
    border: { color: line },
    title: { display: title !== '', color: ink, text: title, padding: 2 },
  };
  const label = (value: number | string) => tickLabel(Number(value));
  if (!log) return { ...common, type: 'linear' as const, ticks: { color: ink, maxTicksLimit: 7, includeBounds: false, callback: label } };
  return {
    ...common,
    type: 'logarithmic' as const,
    bounds: 'data' as const,
    ticks: { color: ink, autoSkip: false, maxRotation: 0, callback: label },
    afterBuildTicks: (axis: Scale) => {
      axis.ticks = logTicks(axis).map((value) => ({ value }));
    },
  };
}
