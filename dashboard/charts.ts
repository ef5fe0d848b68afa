/** Chart.js, set up once for all charts: only what is used, no animation, colours of the theme. */
import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  type ChartDataset,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
  Tooltip,
} from 'chart.js';
import { bytes, shown } from './format.ts';
import type { Point } from './history.ts';
import { currentTheme } from './theme.ts';

Chart.register(
  BarController,
  BarElement,
  CategoryScale,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
  Tooltip,
  Legend,
);

export interface Line {
  label: string;
  colour: string;
  points: Point[];
  width?: number;
  dashed?: boolean;
  /** On an axis of its own, at the right. */
  right?: boolean;
}

export interface LineChart {
  draw(lines: Line[]): void;
}

const canvasOf = (id: string) => document.getElementById(id) as HTMLCanvasElement;

/** Whole powers of ten, and their halves where there are few. */
const logTick = (value: number | string): string | null => {
  const power = Math.log10(Number(value));
  return Math.abs(power - Math.round(power)) < 1e-6 ? (Math.abs(power) > 3 ? Number(value).toExponential(0) : shown(Number(value))) : null;
};

/** @param options.pick called with the label of the line that was clicked */
export function createLineChart(
  id: string,
  options: { log: boolean; legend: boolean; right?: string; pick?: (label: string) => void },
): LineChart {
  const { log, legend, right, pick } = options;
  const chart = new Chart<'line', Point[]>(canvasOf(id), {
    type: 'line',
    data: { datasets: [] },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      parsing: false,
      normalized: true,
      interaction: { mode: legend ? 'index' : 'nearest', axis: legend ? 'x' : 'xy', intersect: false },
      elements: { point: { radius: 0, hitRadius: 4 }, line: { tension: 0 } },
      scales: {
        x: {
          type: 'linear',
          bounds: 'data',
          title: { display: true, text: 'step' },
          ticks: { precision: 0, maxTicksLimit: 7, maxRotation: 0 },
        },
        y: log
          ? { type: 'logarithmic', ticks: { callback: logTick, autoSkip: false, maxRotation: 0 } }
          : { type: 'linear', ticks: { maxTicksLimit: 6 } },
        ...(right === undefined
          ? {}
          : {
              right: {
                type: 'linear',
                position: 'right',
                beginAtZero: true,
                grid: { drawOnChartArea: false },
                ticks: { maxTicksLimit: 6 },
                title: { display: true, text: right },
              },
            }),
      },
      plugins: {
        legend: { display: legend, labels: { boxWidth: 12, boxHeight: 2, padding: 8 } },
        tooltip: {
          callbacks: {
            title: (items) => `step ${items[0]?.parsed.x ?? ''}`,
            label: (item) => `${item.dataset.label}: ${shown((item.raw as Point).y)}`,
          },
        },
      },
      onClick: (_event, elements) => {
        const label = elements.length > 0 ? chart.data.datasets[elements[0].datasetIndex].label : undefined;
        if (label !== undefined) pick?.(label);
      },
    },
  });
  return {
    draw: (lines) => {
      dress(chart);
      // The same objects again: Chart.js keeps by them what was hidden in the legend.
      const before = new Map(chart.data.datasets.map((dataset) => [dataset.label, dataset]));
      chart.data.datasets = lines.map(({ label, colour, points, width = 1.5, dashed = false, right: onRight = false }) => {
        const dataset: ChartDataset<'line', Point[]> = {
          label,
          // A log axis has no place for 0, and no axis one for what is not finite: a gap.
          data: points.map(({ x, y }) => ({ x, y: Number.isFinite(y) && (!log || y > 0) ? y : Number.NaN })),
          borderColor: colour,
          backgroundColor: colour,
          borderWidth: width,
          borderDash: dashed ? [4, 3] : [],
          yAxisID: onRight ? 'right' : 'y',
        };
        return Object.assign(before.get(label) ?? {}, dataset);
      });
      if (log) chart.options.scales!['y']!.suggestedMax = 1.2;
      chart.update('none');
    },
  };
}

export interface StackedBars {
  draw(labels: string[], stacks: { label: string; values: number[] }[], colours: string[]): void;
}

/** One bar for each label, its parts stacked, in bytes. */
export function createStackedBars(id: string): StackedBars {
  const chart = new Chart<'bar', number[], string>(canvasOf(id), {
    type: 'bar',
    data: { labels: [], datasets: [] },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: 'index', intersect: false },
      scales: {
        x: {
          stacked: true,
          ticks: { maxRotation: 0, autoSkip: true, callback: (value) => String(Number(value) + 1) },
          title: { display: true, text: 'connection' },
        },
        y: { stacked: true, ticks: { maxTicksLimit: 6, callback: (value) => bytes(Number(value)) } },
      },
      plugins: {
        legend: { labels: { boxWidth: 10, boxHeight: 10, padding: 6 } },
        tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${bytes(item.raw as number)}` } },
      },
    },
  });
  return {
    draw: (labels, stacks, colours) => {
      dress(chart);
      const highest = Math.max(1, ...labels.map((_, l) => stacks.reduce((sum, { values }) => sum + (values[l] || 0), 0)));
      (chart.options.scales!['y']!.ticks as { stepSize: number }).stepSize = 2 ** Math.ceil(Math.log2(highest / 6));
      chart.data.labels = labels;
      const before = new Map(chart.data.datasets.map((dataset) => [dataset.label, dataset]));
      chart.data.datasets = stacks.map(({ label, values }, i) =>
        Object.assign(before.get(label) ?? {}, {
          label,
          data: values,
          backgroundColor: colours[i],
          barPercentage: 1,
          categoryPercentage: 0.9,
        }),
      );
      chart.update('none');
    },
  };
}

/** The theme of this moment. */
function dress(chart: { options: object }): void {
  const { ink, soft, line } = currentTheme();
  const { scales, plugins } = chart.options as {
    scales: Record<string, { grid?: object; ticks?: object; border?: object; title?: object }>;
    plugins: { legend: { labels: object } };
  };
  for (const scale of Object.values(scales)) {
    scale.grid = { ...scale.grid, color: line };
    scale.border = { ...scale.border, color: line };
    scale.ticks = { ...scale.ticks, color: soft };
    scale.title = { ...scale.title, color: soft };
  }
  plugins.legend.labels = { ...plugins.legend.labels, color: ink };
}
