/** A small chart of one series as paths of an SVG: line, band, and marks where a value is no number. Pure; knows no document. */
import type { SeriesAnswer } from '../src/telemetry/api.ts';
import { fromWire } from './format.ts';

export interface Size {
  width: number;
  height: number;
}

export interface Spark {
  /** Through the maxima; broken where nothing is known. */
  line: string;
  /** From minimum to maximum. */
  band: string;
  /** Where a value is NaN or infinite: x. */
  broken: number[];
  low: number;
  high: number;
  log: boolean;
  /** Of the step asked about; null: not known there. */
  at: { x: number; y: number; value: number } | null;
}

/** A positive series that spans more than this is drawn over a logarithmic axis. */
const LOG_FROM = 10;
const ROOM = 2;

export function sparkOf({ steps, bucket, series }: SeriesAnswer, step: number, from: number, to: number, size: Size): Spark | null {
  const [first] = series;
  if (first === undefined || steps.length === 0) return null;
  const [min, max] = [first.min.map(fromWire), first.max.map(fromWire)];
  const known = [...min, ...max].filter(Number.isFinite);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const log = low > 0 && high / low > LOG_FROM;
  const scale = (value: number) => (log ? Math.log(value) : value);
  const height = size.height - 2 * ROOM;
  const y = (value: number) => {
    const part = high === low ? 0.5 : (scale(value) - scale(low)) / (scale(high) - scale(low));
    return round(ROOM + height * (1 - part));
  };
  const x = (at: number) => round(((at - from) / Math.max(1, to - from)) * size.width);

  const lines: string[] = [];
  const bands: string[] = [];
  const broken: number[] = [];
  let piece: number[] = [];
  const finish = () => {
    const point = (i: number, values: number[]) => `${x(steps[i])} ${y(values[i])}`;
    // A single point gets a length, else nothing of it would show.
    if (piece.length === 1) lines.push(`M${point(piece[0], max)}h1`);
    else if (piece.length > 1) lines.push(`M${piece.map((i) => point(i, max)).join('L')}`);
    const back = [...piece].reverse();
    if (bucket > 1 && piece.length > 1)
      bands.push(`M${[...piece.map((i) => point(i, max)), ...back.map((i) => point(i, min))].join('L')}z`);
    piece = [];
  };
  steps.forEach((at, i) => {
    if (Number.isFinite(min[i]) && Number.isFinite(max[i])) piece.push(i);
    else {
      finish();
      // null is a gap: nothing was recorded. A word is a value that is no number.
      if (typeof first.max[i] === 'string' || typeof first.min[i] === 'string') broken.push(x(at));
    }
  });
  finish();
  return { line: lines.join(''), band: bands.join(''), broken, low, high, log, at: pointAt() };

  function pointAt(): Spark['at'] {
    let near = -1;
    steps.forEach((at, i) => {
      if (at <= step) near = i;
    });
    if (near < 0 || step - steps[near] > 2 * bucket) return null;
    const value = max[near];
    return Number.isNaN(value) && first.max[near] === null ? null : { x: x(step), y: Number.isFinite(value) ? y(value) : ROOM, value };
  }
}

const round = (pixels: number): number => Math.round(pixels * 10) / 10;
