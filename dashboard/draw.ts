/** Draws the page's state: strip, banner, headline and all charts. Changes no state, asks no server. */
import type { RunSummary } from '../src/telemetry/api.ts';
import { createLineChart, createStackedBars, type Line } from './charts.ts';
import { fromWire } from './format.ts';
import { bannerText, drawHeadline } from './headline.ts';
import { createHeatmap } from './heatmap.ts';
import type { History, Point } from './history.ts';
import { drawMatrix } from './matrix.ts';
import { createStrip } from './strip.ts';
import { currentTheme, depthColour, runColour } from './theme.ts';

export const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

export interface State {
  runs: Map<string, RunSummary>;
  /** G of each run in the overview. */
  overview: Map<string, Point[]>;
  chosen: string | null;
  history: History | null;
  /** Number of the chosen connection. */
  connection: number;
  direction: 'Forward' | 'Backward';
  connected: boolean;
  /** When the newest step of the chosen run was made, by this machine's clock. */
  lastStepAt: number;
  error: string | null;
}

export interface Handlers {
  choose(run: string): void;
  pickConnection(name: string): void;
  pickRow(row: number): void;
}

/** Newest first. */
export function sortedRuns(state: State): RunSummary[] {
  return [...state.runs.values()].sort((a, b) => b.startedAt - a.startedAt || a.run.localeCompare(b.run));
}

/** @returns draws a state; called again and again */
export function createDrawing(handlers: Handlers): (state: State) => void {
  const overview = createLineChart('overview', { log: true, legend: true, pick: (run) => handlers.choose(run) });
  const composite = createLineChart('composite', { log: true, legend: false, pick: (name) => handlers.pickConnection(name) });
  const deviation = createLineChart('deviation', { log: true, legend: true });
  const loss = createLineChart('loss', { log: false, legend: true, right: 'gradient norm' });
  const memory = createStackedBars('memory');
  const strip = createStrip(element('runs'), (run) => handlers.choose(run));
  const heatmap = createHeatmap(handlers.pickRow);

  const draw = (state: State): void => {
    const runs = sortedRuns(state);
    const colours = new Map([...state.overview.keys()].sort().map((run, i) => [run, runColour(i)]));
    element('empty').hidden = runs.length > 0;
    element('run').hidden = runs.length === 0;
    strip.draw(runs, state.chosen, colours);
    drawBanner(state);
    overview.draw(
      [...state.overview]
        .sort()
        .map(([label, points]) => ({ label, points, colour: colours.get(label)!, width: label === state.chosen ? 2.5 : 1.5 })),
    );
    const { history } = state;
    if (history === null) return;
    drawHeadline(element('headline'), history);
    drawHistory(state, history);
  };

  const drawHistory = (state: State, { detail, latest, measures, scalars }: History): void => {
    const names = detail.connections.map((c) => c.name);
    const { connection, direction } = state;
    const { ink } = currentTheme();
    composite.draw(
      measures[`composite${direction}Gain`].map((points, l): Line => {
        const chosen = l === connection;
        return { label: names[l], points, colour: chosen ? ink : depthColour(l, names.length), width: chosen ? 2.5 : 1.2 };
      }),
    );
    heatmap.draw(names, measures[direction === 'Forward' ? 'forwardGain' : 'backwardGain']);
    deviation.draw([
      { label: 'row, worst', points: worstOf(measures.rowDeviation), colour: runColour(0) },
      { label: 'column, worst', points: worstOf(measures.columnDeviation), colour: runColour(1) },
      { label: 'row, chosen', points: measures.rowDeviation[connection], colour: runColour(0), dashed: true, width: 1 },
      { label: 'column, chosen', points: measures.columnDeviation[connection], colour: runColour(1), dashed: true, width: 1 },
    ]);
    loss.draw([
      { label: 'loss', points: scalars.loss, colour: runColour(1), width: 2 },
      { label: 'gradient norm', points: scalars.gradientNorm, colour: runColour(0), width: 1, right: true },
    ]);
    const kinds = detail.memoryKinds;
    memory.draw(
      names,
      kinds.map((kind) => ({ label: kind.replace('_', ' '), values: latest?.memory?.connections[kind].map((v) => fromWire(v)) ?? [] })),
      kinds.map((_, i) => depthColour(i, kinds.length)),
    );
    drawMatrix(element('matrix'), names[connection], latest?.mapping[connection]);
  };
  return draw;
}

/** The largest of all connections at each step. */
function worstOf(rows: Point[][]): Point[] {
  return (rows[0] ?? []).map(({ x }, i) => ({ x, y: Math.max(...rows.map((row) => row[i].y)) }));
}

/** Also on its own, once a second: silence draws nothing. */
export function drawBanner(state: State): void {
  const run = state.chosen === null ? undefined : state.runs.get(state.chosen);
  const text =
    state.error ??
    bannerText({
      connected: state.connected,
      live: run?.live === true && run.lastStep !== null,
      secondsSinceStep: (Date.now() - state.lastStepAt) / 1000,
      stepSeconds: state.history?.latest?.stepSeconds ?? 0,
    });
  const banner = element('banner');
  banner.hidden = text === null;
  if (banner.textContent !== text) banner.textContent = text ?? '';
}
