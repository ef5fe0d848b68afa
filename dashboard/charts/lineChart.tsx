/** A line chart with all that belongs to it: zoom, cursor, values, data table, exports. What the lines are is the panel's matter. */
import { useSignalEffect } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { csvOf, jsonOf } from '../model/exports.ts';
import { type Cone, cut, type Extent, type Line, nearest, type Threshold, xOf } from '../model/lines.ts';
import { clearCursor, cursor, offerSteps, withdrawSteps } from '../state/cursor.ts';
import { dataOf } from '../state/store.ts';
import { shownRange, view } from '../state/viewState.ts';
import { ChartTools } from './chartTools.tsx';
import { draw } from './draw.ts';
import './lineChart.css';
import { resetZoom, type Track, zoomTo } from '../state/zoom.ts';
import { DataTable } from './dataTable.tsx';
import { drawNever, drawSoon } from './drawQueue.ts';
import { chartPicture } from './pictures.ts';
import { createChart, type LineChart as Handle } from './setup.ts';
import { Values } from './values.tsx';

interface Props {
  /** In the names of files, and of its table. */
  id: string;
  title: string;
  /** The most important first. */
  lines: readonly Line[];
  /** Steps and times of the run that the zoom is about. */
  track: Track | null;
  log?: boolean;
  unit: string;
  right?: string;
  thresholds?: readonly Threshold[];
  cone?: Cone | null;
  /** Lines that a click picks; with their ids. */
  pickable?: ReadonlySet<string>;
  onPick?: (id: string) => void;
  /** In place of lines, where there are none. */
  empty?: string;
  note?: string | undefined;
}

const NONE: ReadonlySet<string> = new Set();
/** Part of the shown width that a forecast may add. Our choice: the past stays the larger part. */
const MAX_AHEAD = 0.25;
/** Points that the time of a step is taken over. */
const PACE_POINTS = 50;

/** Of the last points, in the unit of the axis. */
function perStepOf({ steps, times }: Track): number {
  const from = Math.max(0, steps.length - PACE_POINTS);
  const ways = (steps.at(-1) ?? 0) - steps[from];
  return ways > 0 ? ((times.at(-1) ?? 0) - times[from]) / ways : 0;
}

function endsOf({ lines, track, cone }: Props, perStep: number): Extent {
  const { x, run } = view.value;
  const { from, to } = shownRange(view.value, dataOf(run)?.detail.lastStep ?? null);
  const ends = lines.flatMap((line) => {
    const xs = xOf(line, x);
    return xs.length === 0 ? [] : [xs[0], xs[xs.length - 1]];
  });
  const at = (step: number) => (x === 'step' || track === null ? step : track.times[nearest(track.steps, step)]);
  const min = from === null ? Math.min(...ends) : at(from);
  const max = to === null ? Math.max(...(track === null || from === null ? ends : [xOf(track, x).at(-1) ?? min + 1])) : at(to);
  if (!(Number.isFinite(min) && Number.isFinite(max))) return { min: 0, max: 1 };
  if (max <= min) return { min: min - 1, max: min + 1 };
  if (to !== null || cone == null) return { min, max };
  const ahead = Math.min(cone.high, 2 * cone.low + 10) * perStep;
  return { min, max: max + Math.min(ahead, MAX_AHEAD * (max - min)) };
}

export function LineChart(props: Props) {
  const { id, title, lines, track, log = false, unit, right, thresholds = [], cone = null, pickable = NONE, onPick, empty, note } = props;
  const { x, run, picked } = view.value;
  const [table, setTable] = useState(false);
  const canvas = useRef<HTMLCanvasElement>(null);
  const hair = useRef<HTMLDivElement>(null);
  const chart = useRef<Handle>(null);
  const now = useRef(props);
  now.current = props;
  const perStep = x === 'step' || track === null ? 1 : perStepOf(track);
  const range = endsOf(props, perStep);
  const seen = lines.map((line) => cut(line, x, range));

  const placeHair = (step: number | null) => {
    const shownTrack = now.current.track;
    const area = chart.current?.chartArea;
    if (hair.current === null || chart.current === null || area === undefined) return;
    const at = step === null || shownTrack === null ? -1 : nearest(shownTrack.steps, step);
    const pixel = at < 0 ? Number.NaN : chart.current.scales['x'].getPixelForValue(xOf(shownTrack!, view.peek().x)[at]);
    hair.current.hidden = !(pixel >= area.left && pixel <= area.right);
    hair.current.style.transform = `translateX(${Math.round(pixel)}px)`;
    hair.current.style.top = `${area.top}px`;
    hair.current.style.height = `${area.bottom - area.top}px`;
  };

  useLayoutEffect(() => {
    const made = createChart(canvas.current!, {
      onZoom: (min, max) => {
        if (now.current.track !== null) zoomTo(now.current.track, view.peek().x, min, max);
      },
      onPick: (line) => {
        if (now.current.pickable?.has(line)) now.current.onPick?.(line);
      },
    });
    chart.current = made;
    return () => {
      drawNever(made);
      made.destroy();
      withdrawSteps(id);
    };
  }, [id]);
  useLayoutEffect(() => {
    const made = chart.current!;
    drawSoon(made, () => {
      draw(made, { lines, x, log, title: unit, right, thresholds, cone, range, perStep });
      placeHair(cursor.peek());
    });
  });
  useEffect(() => {
    if (track !== null) offerSteps(id, cut({ id, label: '', colour: '', y: [], ...track }, x, range).steps);
  });
  useSignalEffect(() => placeHair(cursor.value));

  const hover = (event: PointerEvent) => {
    if (chart.current === null || track === null || event.buttons !== 0) return;
    const left = event.clientX - canvas.current!.getBoundingClientRect().left;
    const at = nearest(xOf(track, x), chart.current.scales['x'].getValueForPixel(left) ?? Number.NaN);
    if (at >= 0) cursor.value = track.steps[at];
  };
  const labels = lines.map(({ label }) => label).join(', ') || 'nothing';
  return (
    <div class="stack line-chart">
      <div class="chart-plot">
        <canvas
          ref={canvas}
          role="img"
          aria-label={`${title}: chart of ${labels}, ${seen[0]?.steps.length ?? 0} points. The table behind it has the values.`}
          onPointerMove={hover}
          onPointerDown={hover}
          onPointerLeave={clearCursor}
          onDblClick={resetZoom}
        />
        <div ref={hair} class="chart-hair" hidden />
        {lines.length === 0 ? <p class="note soft chart-empty">{empty ?? 'Nothing to show.'}</p> : null}
      </div>
      <Values lines={seen} pickable={pickable} picked={picked} onPick={(line) => onPick?.(line)} />
      <ChartTools
        id={id}
        title={title}
        note={note}
        table={table}
        onTable={() => setTable(!table)}
        png={() => chartPicture(canvas.current!, `${run}: ${title}`, seen)}
        csv={() => csvOf(seen)}
        json={() => jsonOf(run ?? '', id, seen)}
      />
      {table ? <DataTable id={id} title={title} lines={seen} /> : null}
    </div>
  );
}
