/** Gain of every connection over the steps as colours: order, legend, table and exports. The canvas itself is heatCanvas.tsx. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { save, saveText } from '../charts/save.ts';
import { TableButton } from '../charts/tableButton.tsx';
import { csvOf, fileName, jsonOf } from '../model/exports.ts';
import { shown } from '../model/format.ts';
import { columnsOf, orderRows, rangeOf } from '../model/heat.ts';
import type { Line } from '../model/lines.ts';
import { type Band, type Bands, clip, filterOf } from '../model/series.ts';
import { gainMeasure, type View } from '../model/view.ts';
import { mapTick } from '../state/redraw.ts';
import { bandsFor, dataOf } from '../state/store.ts';
import { currentTheme } from '../state/theme.ts';
import { change, shownRange, view } from '../state/viewState.ts';
import { HeatCanvas } from './heatCanvas.tsx';
import './heatmapPanel.css';
import { brokenColour, paintScale } from '../charts/heatPaint.ts';
import { heatPicture } from '../charts/heatPicture.ts';
import { HeatTable } from './heatTable.tsx';
import { Panel } from './panel.tsx';

const SORTS: [View['sort'], label: string, title: string][] = [
  ['layer', 'Layer', 'from input to output'],
  ['gain', 'Gain', 'largest recent gain first'],
  ['left', 'Steps left', 'fewest steps to a gain of 1000 first'],
];

const titleOf = ({ gain, direction }: View) => `${gain === 'composite' ? 'Composite gain' : 'Gain'} by connection, ${direction}`;
const open = (connection: string) => change({ open: connection });

function Sorts() {
  return (
    <fieldset class="choices" aria-label="Order of the rows">
      {SORTS.map(([sort, label, title]) => (
        <button
          key={sort}
          type="button"
          data-testid={`sort-${sort}`}
          aria-pressed={view.value.sort === sort}
          title={title}
          onClick={() => change({ sort })}
        >
          {label}
        </button>
      ))}
    </fieldset>
  );
}

function Legend({ range }: { range: number }) {
  const scale = useRef<HTMLCanvasElement>(null);
  const { dark } = currentTheme();
  useEffect(() => paintScale(scale.current!, dark), [dark]);
  const [r, g, b] = brokenColour(dark);
  return (
    <div class="hm-legend" data-testid="heat-legend">
      <span class="hm-scale">
        <canvas ref={scale} width={160} height={10} role="img" aria-label="Colours from the lowest to the highest gain" />
        <span data-testid="heat-low">{shown(10 ** -range, 3)}</span>
        <span>1</span>
        <span data-testid="heat-high">{shown(10 ** range, 3)}</span>
      </span>
      <span>
        <i class="hm-swatch" style={{ backgroundColor: `rgb(${r} ${g} ${b})` }} />
        NaN or ∞
      </span>
      <span>
        <i class="hm-swatch hm-none" />
        no step
      </span>
    </div>
  );
}

/** As the exports of the charts want it. */
const linesOf = ({ steps, times }: Bands, rows: readonly Band[]): Line[] =>
  rows.map(({ connection, max }) => ({ id: connection, label: connection, colour: '', steps, times, y: max }));

interface ToolsProps {
  bands: Bands;
  rows: Band[];
  range: number;
  /** Is the table shown? */
  table: boolean;
  onTable(): void;
}

function Tools({ bands, rows, range, table, onTable }: ToolsProps) {
  const row = useRef<HTMLDivElement>(null);
  const title = titleOf(view.value);
  const run = view.value.run ?? '';
  const named = (ending: string) => fileName(run, 'heatmap', ending);
  const picture = async () => {
    const map = row.current?.closest('.panel')?.querySelector<HTMLCanvasElement>('canvas[data-testid=heatmap]');
    if (map == null) return;
    const names = rows.map(({ connection }) => connection);
    const file = await heatPicture(map, `${run}: ${title}`, names, bands.steps, range);
    if (file !== null) save(named('png'), file);
  };
  const tool = (label: string, act: () => void) => (
    <button type="button" data-testid={`${label.toLowerCase()}-heatmap`} aria-label={`Heatmap: save as ${label}`} onClick={act}>
      {label}
    </button>
  );
  return (
    <div class="chart-tools" ref={row}>
      <TableButton id="heatmap" title="Heatmap" shown={table} onToggle={onTable} />
      {tool('PNG', () => void picture())}
      {tool('CSV', () => saveText(named('csv'), 'text/csv', csvOf(linesOf(bands, rows))))}
      {tool('JSON', () => saveText(named('json'), 'application/json', jsonOf(run, gainMeasure(view.value), linesOf(bands, rows))))}
    </div>
  );
}

function Heatmap() {
  void mapTick.value;
  const [table, setTable] = useState(false);
  const { run, filter, sort, open: opened } = view.value;
  const loaded = run === null ? null : bandsFor(run, gainMeasure(view.value));
  if (loaded === null) return <p class="hm-note">Loading …</p>;
  const bands = clip(loaded, shownRange(view.value, dataOf(run)?.detail.lastStep ?? null));
  const pattern = filterOf(filter);
  const rows = orderRows(bands, sort, (connection) => pattern?.test(connection) ?? true);
  if (bands.steps.length === 0) return <p class="hm-note">No step is recorded in this range.</p>;
  if (rows.length === 0) return <p class="hm-note">No connection matches the filter.</p>;
  const range = rangeOf(rows);
  const title = titleOf(view.value);
  return (
    <>
      <HeatCanvas rows={rows} columns={columnsOf(bands.steps, bands.bucket)} range={range} open={opened} meaning={title} onOpen={open} />
      <div class="hm-foot">
        <Legend range={range} />
        <Tools bands={bands} rows={rows} range={range} table={table} onTable={() => setTable(!table)} />
      </div>
      {table ? <HeatTable title={title} bands={bands} rows={rows} onOpen={open} /> : null}
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
