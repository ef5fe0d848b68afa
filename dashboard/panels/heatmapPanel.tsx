/** Gain of every connection over the steps as colours: order, legend, table and exports. The canvas itself is heatCanvas.tsx. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ChartTools } from '../charts/chartTools.tsx';
import { paintScale } from '../charts/heatPaint.ts';
import { heatPicture } from '../charts/pictures.ts';
import { ChartTable } from '../charts/scrollTable.tsx';
import { type Band, type Bands, clip } from '../model/bands.ts';
import { brokenColour, css } from '../model/colours.ts';
import { csvOf, jsonOf } from '../model/exports.ts';
import { shown } from '../model/format.ts';
import { columnsOf, largestGain, orderRows, rangeOf, rowStepsLeft } from '../model/heat.ts';
import type { Line } from '../model/lines.ts';
import { lastLimit } from '../model/stepsLeft.ts';
import { gainMeasure, matcherOf, type View } from '../model/view.ts';
import { mapTick } from '../state/redraw.ts';
import { bandsFor, dataOf } from '../state/store.ts';
import { currentTheme } from '../state/theme.ts';
import { change, shownRange, view } from '../state/viewState.ts';
import { HeatCanvas } from './heatCanvas.tsx';
import './heatmapPanel.css';
import { Panel } from './panel.tsx';
import { Choices, Toggle } from './toggle.tsx';

const SORTS: [View['sort'], label: string][] = [
  ['layer', 'Layer'],
  ['gain', 'Gain'],
  ['left', 'Steps left'],
];

/** What the order goes by. */
const sortTitle = (sort: View['sort'], limit: number): string => {
  if (sort === 'layer') return 'from input to output';
  if (sort === 'gain') return 'largest recent gain first';
  return Number.isFinite(limit) ? `fewest steps to a gain of ${limit} first` : 'fewest steps to a limit first: this run has none';
};

const titleOf = ({ gain, direction }: View) => `${gain === 'composite' ? 'Composite gain' : 'Gain'} by connection, ${direction}`;
const open = (connection: string) => change({ open: connection });

/** Of the shown run. */
const limitNow = (): number => {
  const limits = dataOf(view.value.run)?.detail.limits;
  return limits === undefined ? Number.POSITIVE_INFINITY : lastLimit(limits);
};

function Sorts() {
  void mapTick.value;
  return (
    <Choices label="Order of the rows">
      {SORTS.map(([sort, label]) => (
        <Toggle key={sort} pressed={view.value.sort === sort} title={sortTitle(sort, limitNow())} onPress={() => change({ sort })}>
          {label}
        </Toggle>
      ))}
    </Choices>
  );
}

function Legend({ range }: { range: number }) {
  const scale = useRef<HTMLCanvasElement>(null);
  const { dark } = currentTheme();
  useEffect(() => paintScale(scale.current!, dark), [dark]);
  return (
    <div class="row soft hm-legend">
      <span class="hm-scale">
        <canvas ref={scale} width={160} height={10} role="img" aria-label="Colours from the lowest to the highest gain" />
        <span>{shown(10 ** -range, 3)}</span>
        <span>1</span>
        <span>{shown(10 ** range, 3)}</span>
      </span>
      <span>
        <i class="swatch hm-swatch" style={{ backgroundColor: css(brokenColour(dark)) }} />
        NaN or ∞
      </span>
      <span>
        <i class="swatch hm-swatch hm-none" />
        no step
      </span>
    </div>
  );
}

/** As the exports of the charts want it. */
const linesOf = ({ steps, times }: Bands, rows: readonly Band[]): Line[] =>
  rows.map(({ connection, max }) => ({ id: connection, label: connection, colour: '', steps, times, y: max }));

interface TableProps {
  title: string;
  bands: Bands;
  /** Those that are drawn, in this order. */
  rows: readonly Band[];
  /** Gain that steps are left to; Infinity: none. */
  limit: number;
}

const leftText = (left: number): string => (Number.isFinite(left) ? String(Math.ceil(left)) : 'none near');

/** Of each connection the numbers that its row shows. */
function HeatTable({ title, bands, rows, limit }: TableProps) {
  const caption = `${title}, steps ${bands.steps[0] ?? '–'} to ${bands.steps.at(-1) ?? '–'}`;
  const left = Number.isFinite(limit) ? `steps left to ${limit}` : 'steps left (no limit)';
  return (
    <ChartTable id="heatmap" title={title} caption={caption} heads={['connection', 'newest gain', 'largest gain', left]}>
      {rows.map((row) => (
        <tr key={row.connection}>
          <th scope="row">
            <button type="button" onClick={() => open(row.connection)}>
              {row.connection}
            </button>
          </th>
          <td>{shown(row.max.at(-1))}</td>
          <td>{shown(row.max.length === 0 ? null : largestGain(row))}</td>
          <td>{leftText(rowStepsLeft(bands, row, limit))}</td>
        </tr>
      ))}
    </ChartTable>
  );
}

function Heatmap() {
  void mapTick.value;
  const [table, setTable] = useState(false);
  const canvas = useRef<HTMLCanvasElement>(null);
  const { run, sort, open: opened } = view.value;
  const loaded = run === null ? null : bandsFor(run, gainMeasure(view.value));
  if (loaded === null) return <p class="note soft">Loading …</p>;
  const bands = clip(loaded, shownRange(view.value, dataOf(run)?.detail.lastStep ?? null));
  const limit = limitNow();
  const rows = orderRows(bands, sort, limit, matcherOf(view.value));
  if (bands.steps.length === 0) return <p class="note soft">No step is recorded in this range.</p>;
  if (rows.length === 0)
    return <p class="note soft">{bands.bands.length === 0 ? 'This run has no connections.' : 'No connection matches the filter.'}</p>;
  const range = rangeOf(rows);
  const title = titleOf(view.value);
  const names = rows.map(({ connection }) => connection);
  return (
    <>
      <HeatCanvas
        rows={rows}
        columns={columnsOf(bands.steps, bands.bucket)}
        range={range}
        open={opened}
        meaning={title}
        onOpen={open}
        canvas={canvas}
      />
      <div class="row hm-foot">
        <Legend range={range} />
        <ChartTools
          id="heatmap"
          title="Heatmap"
          table={table}
          onTable={() => setTable(!table)}
          png={() => heatPicture(canvas.current!, `${run}: ${title}`, names, bands.steps, range)}
          csv={() => csvOf(linesOf(bands, rows))}
          json={() => jsonOf(run ?? '', gainMeasure(view.value), linesOf(bands, rows))}
        />
      </div>
      {table ? <HeatTable title={title} bands={bands} rows={rows} limit={limit} /> : null}
    </>
  );
}

export function HeatmapPanel() {
  return (
    <Panel id="heatmap" title={titleOf(view.value)} wide height="400px" tools={<Sorts />}>
      <Heatmap />
    </Panel>
  );
}
