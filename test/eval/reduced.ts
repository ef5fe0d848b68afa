/**
 * A recording reduced to what detectors read, as one small file: brotli over a line of JSON and planes of 16-bit
 * integers. Values are rounded on a logarithmic or linear grid, so a gain is right to 0.1 %. Knows no file system.
 */
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { MEASURE_INDEX, MEASURES, type MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { RunSpec } from './spec.ts';

/** 'ln': round(ln(value) / quantum), of values from 0; 'linear': round(value / quantum). */
interface Grid {
  scale: 'ln' | 'linear';
  quantum: number;
}

const SCALARS = ['loss', 'gradientNorm', 'learningRate'] as const;
const SCALAR_GRID: Grid = { scale: 'ln', quantum: 1 / 1024 };
const GAIN: Grid = { scale: 'ln', quantum: 1 / 512 };
const SUM: Grid = { scale: 'linear', quantum: 1 / 512 };
const COARSE: Grid = { scale: 'ln', quantum: 1 / 32 };

const COMMON = {
  forwardGain: GAIN,
  backwardGain: GAIN,
  compositeForwardGain: GAIN,
  compositeBackwardGain: GAIN,
  rowSumMin: SUM,
  columnSumMin: SUM,
  separation: { scale: 'ln', quantum: 1 / 64 },
} satisfies Partial<Record<MeasureKey, Grid>>;

const MANIFOLD = {
  rowDeviation: COARSE,
  columnDeviation: COARSE,
  logitRange: { scale: 'linear', quantum: 1 / 16 },
  routingEntropy: { scale: 'ln', quantum: 1 / 64 },
  logitGradient: COARSE,
} satisfies Partial<Record<MeasureKey, Grid>>;

type Grids = [MeasureKey, Grid][];
const gridsOf = (header: RunHeader): Grids =>
  Object.entries(header.connections.some((c) => c.kind === 'mhc') ? { ...COMMON, ...MANIFOLD } : COMMON) as Grids;

const NAN = -32768;
const MINUS_INFINITY = -32767;
const ZERO = -32766;
const INFINITE = 32767;

function encode(value: number, { scale, quantum }: Grid): number {
  if (Number.isNaN(value)) return NAN;
  if (value === Number.POSITIVE_INFINITY) return INFINITE;
  if (value === Number.NEGATIVE_INFINITY) return MINUS_INFINITY;
  if (scale === 'ln' && value <= 0) return ZERO;
  return Math.max(-32765, Math.min(32766, Math.round((scale === 'ln' ? Math.log(value) : value) / quantum)));
}

function decode(code: number, { scale, quantum }: Grid): number {
  if (code === NAN) return Number.NaN;
  if (code === INFINITE) return Number.POSITIVE_INFINITY;
  if (code === MINUS_INFINITY) return Number.NEGATIVE_INFINITY;
  if (code === ZERO) return 0;
  return scale === 'ln' ? Math.exp(code * quantum) : code * quantum;
}

/** Steps 1 to `steps` of one run. */
export interface Reduced {
  spec: RunSpec;
  header: RunHeader;
  steps: number;
  /** Hash of the text that was trained on. */
  text: string;
  /** Each [steps], or [steps, L] for a measure; `nonfinite` [steps, L]. */
  planes: Record<string, Float32Array>;
}

/** Gathers reports, in order from step 1. */
export function createReducer(spec: RunSpec, text: string) {
  let header: RunHeader | null = null;
  const rows: Record<string, number[]> = {};
  const push = (key: string, value: number) => {
    rows[key] ??= [];
    rows[key].push(value);
  };
  let steps = 0;
  return {
    addReport(from: RunHeader, report: StepReport): void {
      header ??= from;
      steps++;
      const layers = header.connections.length;
      for (const key of SCALARS) push(key, report[key] ?? Number.NaN);
      for (let l = 0; l < layers; l++) {
        for (const [key] of gridsOf(header)) push(key, report.measures[MEASURE_INDEX[key] * layers + l]);
        push('nonfinite', report.nonfinite[l]);
      }
    },
    done(): Reduced {
      if (header === null) throw new Error(`${spec.name}: no step was recorded`);
      const planes = Object.fromEntries(Object.entries(rows).map(([key, values]) => [key, Float32Array.from(values)]));
      return { spec, header, steps, text, planes };
    },
  };
}

const allGrids = (header: RunHeader): [string, Grid][] => [
  ...SCALARS.map((key): [string, Grid] => [key, SCALAR_GRID]),
  ...gridsOf(header),
  ['nonfinite', { scale: 'linear', quantum: 1 }],
];

/** Differences over the steps, low bytes and high bytes apart: they compress to about a byte per value. */
export function encodeReduced({ spec, header, steps, text, planes }: Reduced): Buffer {
  const parts: Buffer[] = [Buffer.from(`${JSON.stringify({ version: 1, spec, header, steps, text })}\n`)];
  for (const [key, grid] of allGrids(header)) {
    const values = planes[key];
    const width = values.length / steps;
    const bytes = Buffer.alloc(2 * values.length);
    for (let l = 0; l < width; l++) {
      let before = 0;
      for (let i = 0; i < steps; i++) {
        const code = encode(values[i * width + l], grid);
        const difference = (code - before) & 0xffff;
        const zigzag = ((difference << 1) ^ (difference & 0x8000 ? 0xffff : 0)) & 0xffff;
        before = code;
        bytes[l * steps + i] = zigzag & 0xff;
        bytes[values.length + l * steps + i] = zigzag >> 8;
      }
    }
    parts.push(bytes);
  }
  const raw = Buffer.concat(parts);
  return brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 24 } });
}

/** @throws Error where the file is of another version, or shorter or longer than its header says */
export function decodeReduced(file: Uint8Array): Reduced {
  const raw = brotliDecompressSync(file);
  const line = raw.indexOf('\n');
  const { version, spec, header, steps, text } = JSON.parse(raw.toString('utf8', 0, line)) as Omit<Reduced, 'planes'> & { version: number };
  if (version !== 1) throw new Error(`recording of version ${version}: this program reads version 1`);
  let at = line + 1;
  const planes: Record<string, Float32Array> = {};
  for (const [key, grid] of allGrids(header)) {
    const width = (SCALARS as readonly string[]).includes(key) ? 1 : header.connections.length;
    const values = new Float32Array(width * steps);
    for (let l = 0; l < width; l++) {
      let before = 0;
      for (let i = 0; i < steps; i++) {
        const zigzag = raw[at + l * steps + i] | (raw[at + values.length + l * steps + i] << 8);
        const difference = (zigzag >> 1) ^ -(zigzag & 1);
        before = ((before + difference) << 16) >> 16;
        values[i * width + l] = decode(before, grid);
      }
    }
    at += 2 * values.length;
    planes[key] = values;
  }
  if (at !== raw.length) throw new Error(`recording of ${raw.length} bytes unpacked: its header says ${at}`);
  return { spec, header, steps, text, planes };
}

/** The report of step `i` + 1 as the detectors see it: measures that were not kept are NaN. One second per step. */
export function reportAt({ header, planes }: Reduced, i: number): StepReport {
  const layers = header.connections.length;
  const measures = new Float32Array(MEASURES.length * layers).fill(Number.NaN);
  let compositeGain = 0;
  for (const [key] of gridsOf(header)) measures.set(planes[key].subarray(i * layers, (i + 1) * layers), MEASURE_INDEX[key] * layers);
  for (let l = i * layers; l < (i + 1) * layers; l++) {
    compositeGain = Math.max(compositeGain, planes['compositeForwardGain'][l], planes['compositeBackwardGain'][l]);
  }
  return {
    step: i + 1,
    time: 1000 * (i + 1),
    stepSeconds: 1,
    loss: planes['loss'][i],
    gradientNorm: planes['gradientNorm'][i],
    learningRate: planes['learningRate'][i],
    compositeGain,
    measures,
    mapping: new Float32Array(0),
    nonfinite: Float64Array.from(planes['nonfinite'].subarray(i * layers, (i + 1) * layers)),
    memory: null,
    monitor: { overheadSeconds: 0, samplesDropped: 0, errors: 0 },
  };
}
