/** The canvas of the heatmap: its size, pointer, keys and row labels. Which rows there are is decided outside. */
import { useSignal, useSignalEffect } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Drawing, paint, prepare } from '../charts/heatPaint.ts';
import type { Band } from '../model/bands.ts';
import { shown } from '../model/format.ts';
import { type Columns, columnAt, columnOfStep, labelEvery } from '../model/heat.ts';
import { cursor } from '../state/cursor.ts';
import { currentTheme } from '../state/theme.ts';

/** Height of a row where there are few, px. */
const MAX_ROW_HEIGHT = 40;
/** Of the whole map, where nothing beside it is higher, px. */
const MIN_HEIGHT = 300;

interface Props {
  rows: Band[];
  columns: Columns;
  range: number;
  /** The connection that is open. */
  open: string | null;
  /** What the colours stand for, in words. */
  meaning: string;
  onOpen(connection: string): void;
  canvas: RefObject<HTMLCanvasElement | null>;
}

export function HeatCanvas({ rows, columns, range, open, meaning, onOpen, canvas }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const drawing = useRef<Drawing | null>(null);
  const [frameSize, setFrameSize] = useState({ width: 0, height: 0 });
  const selected = useSignal<string | null>(null);
  const readout = useSignal('');
  const ratio = window.devicePixelRatio;
  const height = Math.max(rows.length, Math.floor(Math.min(rows.length * MAX_ROW_HEIGHT, frameSize.height) * ratio));
  const width = Math.floor(frameSize.width * ratio);

  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setFrameSize(entry.contentRect));
    observer.observe(frame.current!);
    return () => observer.disconnect();
  }, []);

  const repaint = () => {
    if (canvas.current === null || drawing.current === null) return;
    const { ink, line } = currentTheme();
    const at = drawing.current.rows.findIndex(({ connection }) => connection === selected.value);
    paint(canvas.current, drawing.current, { step: cursor.value, selected: at, ink, line, ratio: window.devicePixelRatio });
  };
  useLayoutEffect(() => {
    drawing.current = width > 0 ? prepare(rows, columns, range, { width, height }, currentTheme().dark, drawing.current) : null;
    repaint();
  });
  useSignalEffect(() => {
    void [cursor.value, selected.value];
    repaint();
  });

  const showReadout = (row: Band | undefined, column: number) => {
    readout.value = row === undefined || column < 0 ? '' : `${row.connection}, step ${columns.from[column]}: ${shown(row.max[column])}`;
  };
  const cellAt = ({ clientX, clientY }: MouseEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const row = rows[Math.floor(((clientY - box.top) / box.height) * rows.length)] as Band | undefined;
    return { row, column: columnAt(columns, (clientX - box.left) / box.width) };
  };
  const point = (event: MouseEvent) => {
    const { row, column } = cellAt(event);
    cursor.value = column < 0 ? null : columns.from[column];
    showReadout(row, column);
  };
  const leave = () => {
    cursor.value = null;
    readout.value = '';
  };
  const last = columns.from.length - 1;
  const press = (event: KeyboardEvent) => {
    const at = rows.findIndex(({ connection }) => connection === selected.value);
    const column = cursor.value === null ? -1 : columnOfStep(columns, cursor.value);
    let [row, step] = [at, column < 0 ? last : column];
    if (event.key === 'ArrowDown') row = Math.min(rows.length - 1, at + 1);
    else if (event.key === 'ArrowUp') row = at < 0 ? rows.length - 1 : Math.max(0, at - 1);
    else if (event.key === 'ArrowLeft') step = Math.max(0, step - (column < 0 ? 0 : 1));
    else if (event.key === 'ArrowRight') step = Math.min(last, step + 1);
    else if (event.key === 'Enter' && at >= 0) onOpen(rows[at].connection);
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === 'Enter') return;
    if (event.key.endsWith('Left') || event.key.endsWith('Right')) cursor.value = columns.from[step] ?? null;
    selected.value = rows[row]?.connection ?? null;
    showReadout(rows[Math.max(0, row)], step);
  };

  const size = { width: `${width / ratio}px`, height: `${height / ratio}px` };
  const rowHeight = height / ratio / rows.length;
  const every = labelEvery(rowHeight);
  const longest = Math.max(...rows.map(({ connection }) => connection.length));
  return (
    <div class="hm-map">
      <div class="hm-labels soft" style={{ width: `${longest}ch`, height: size.height }} aria-hidden="true">
        {rows.map(({ connection }, r) =>
          r % every > 0 ? null : (
            <span key={connection} class={connection === open ? 'hm-open' : ''} style={{ top: `${(r + 0.5) * rowHeight}px` }}>
              {connection}
            </span>
          ),
        )}
      </div>
      <div class="hm-frame" ref={frame} style={{ minHeight: `${Math.max(MIN_HEIGHT, rows.length / ratio)}px` }}>
        {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: readers of the screen must leave the arrow keys to it */}
        <canvas
          ref={canvas}
          role="application"
          aria-label={`Heatmap of the ${meaning}: ${rows.length} connections over ${columns.from.length} columns. Arrows up and down choose a connection, left and right a step, Enter opens it. The table button shows the numbers.`}
          tabIndex={0}
          style={size}
          onMouseMove={point}
          onMouseLeave={leave}
          onClick={(event) => {
            const { row } = cellAt(event);
            if (row === undefined) return;
            selected.value = row.connection;
            onOpen(row.connection);
          }}
          onKeyDown={press}
          onBlur={() => {
            selected.value = null;
          }}
        />
      </div>
      <div class="hm-steps soft">
        <span>{columns.from[0]}</span>
        <span>step</span>
        <span>{columns.from[last]}</span>
      </div>
      <output class="hm-value">{readout.value}</output>
    </div>
  );
}
