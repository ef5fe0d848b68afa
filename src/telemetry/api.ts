/**
 * The JSON of the HTTP interface (`/api/v1/…`), as types: what the server answers and the dashboard reads.
 * Arrays over connections are in the order of `RunDetail.connections`. No code.
 */

import type { MeasureInfo } from './catalogue.ts';
import type { Outcome, StepReport } from './report.ts';
import type { ConnectionInfo, MemoryKind, RunHeader } from './sample.ts';
import type { SelfTestEntry } from './selfTest.ts';
import type { Warning, WarningRecord } from './warning.ts';
import type { WireNumber } from './wire.ts';

/** One attempt at a run. */
export interface AttemptInfo {
  /** From 1. */
  attempt: number;
  startedAt: number;
  /** First step recorded in it: where it departs from the attempt before. null: nothing recorded yet. */
  forkStep: number | null;
  lastStep: number | null;
  /** null while it goes on. */
  outcome: Outcome | null;
}

/** A row of `GET /api/v1/runs`, newest first. Attempt and outcome are those of the newest attempt. */
export interface RunSummary extends Omit<AttemptInfo, 'forkStep'> {
  run: string;
  streams: number;
  /** Kinds of connections present, e.g. ["mhc"]. */
  kinds: ConnectionInfo['kind'][];
  connectionCount: number;
  /** Was it dropped on the page? Then nobody writes to it. */
  uploaded: boolean;
  /** Is it written to by this server now? */
  live: boolean;
  /** Milliseconds since 1970. */
  lastTime: number | null;
  lastLoss: WireNumber | null;
  lastCompositeGain: WireNumber | null;
  maxCompositeGain: WireNumber | null;
  /** Warnings that hold, or did when it ended; without mere information. */
  activeWarnings: number;
}

/** From where on a run is warned of, as alerts/limits.ts has them for its kind of connections. */
export interface RunLimits {
  /** Composite gain, ascending: 100 and 1000 where connections are free, n / 2 where all are bounded and n > 2, else none. */
  gain: number[];
  /** Composite separation below which the streams count as one. */
  separation: number;
  /** Deviation of a row or column sum that is high for any bounded connection. */
  deviation: number;
  /** Row or column sum below which a bounded connection has lost its mass. */
  sum: number;
}

/** `GET /api/v1/runs/{run}`. */
export interface RunDetail extends RunSummary, Pick<RunHeader, 'tokens'> {
  /**
   * From input to output. While an attempt goes on they may become more, between those that are there; so two listings of an attempt are
   * the same where they are as long.
   */
  connections: Required<ConnectionInfo>[];
  /** What the sender found of its connections; null: nothing was sent. */
  selfTest: readonly SelfTestEntry[] | null;
  limits: RunLimits;
  measures: MeasureInfo[];
  memoryKinds: MemoryKind[];
  attempts: AttemptInfo[];
}

/**
 * `GET /api/v1/runs/{run}/series?measure=KEY[&connection=NAME…][&from=STEP][&to=STEP][&points=N][&attempt=A]`.
 * Values have 6 significant digits, within a thousandth of 1 eight.
 * One point is one step, or a bucket of steps reduced to its minimum and maximum where there are more than `points`.
 * Without `attempt`: the newest one, and before its fork step the ones it came from.
 */
export interface SeriesAnswer {
  run: string;
  measure: string;
  /** Steps per point; 1: nothing was reduced. */
  bucket: number;
  /** First step of each point, ascending. */
  steps: number[];
  /** Milliseconds since 1970, of the first step of each point. */
  times: number[];
  /** One for each asked connection, or a single one named "" for a scalar of the run. null: not known at that point. */
  series: { connection: string; min: (WireNumber | null)[]; max: (WireNumber | null)[] }[];
}

/** One step: `GET /api/v1/runs/{run}/steps/latest`, and the data of a `step` event of the stream, where arrays have 8 digits. */
export interface StepAnswer extends Pick<StepReport, 'step' | 'time' | 'stepSeconds' | 'monitor'> {
  run: string;
  attempt: number;
  loss: WireNumber | null;
  gradientNorm: WireNumber | null;
  learningRate: WireNumber | null;
  compositeGain: WireNumber | null;
  /** By key of the catalogue, one value per connection. */
  measures: Record<string, WireNumber[]>;
  /** Token-mean H_res per connection, n·n values, row-major. */
  mapping: WireNumber[][];
  nonfinite: number[];
  memory: {
    connections: Record<MemoryKind, WireNumber[]>;
    totals: Record<string, number>;
  } | null;
  /** Of the composite gain, by threshold; empty before there are enough steps, and for steps before the newest. */
  forecast: ForecastAnswer[];
}

export interface ForecastAnswer {
  threshold: number;
  /** Steps until the composite gain reaches it if it goes on as now; "+Inf": it does not rise. */
  steps: WireNumber;
  /** Holds the steps nine times in ten. */
  interval: [low: WireNumber, high: WireNumber];
}

/**
 * A row of `GET /api/v1/runs/{run}/warnings`, oldest first, and the data of a `warning` event: raised, cleared or acknowledged
 * (`POST …/warnings/{id}/acknowledge`).
 */
export interface WarningAnswer extends Omit<Warning, 'value'>, Omit<WarningRecord, 'warning'> {
  value: WireNumber;
  /** Does it hold, or did it when the run ended? */
  active: boolean;
}

/** `POST /api/v1/runs/{run}/steps` (plugin/openapi.yaml): what became of the steps of a sender, and how its run stands. */
export interface StepsAnswer {
  accepted: number;
  /** Known already. */
  duplicates: number;
  /** Their step was put together without them, or their attempt is over. */
  late: number;
  /** G of the newest step; null: not known. */
  composite_gain: WireNumber | null;
  /** Those that hold. */
  warnings: WarningAnswer[];
}

/** `POST /api/v1/recordings`, the body being a recording file: it is checked, kept under `run` and opened read-only. */
export interface UploadAnswer {
  run: string;
}

/**
 * What somebody may: see all of it; send runs and recordings; acknowledge warnings and delete recordings. Which token gives which:
 * plugin/server/README.md.
 */
export type Right = 'view' | 'send' | 'decide';

/** `GET /api/v1/rights`: those of whoever asks. */
export interface RightsAnswer {
  rights: Right[];
}

/** `DELETE /api/v1/runs/{run}`, and the data of a `gone` event: its recording is deleted. */
export interface GoneAnswer {
  run: string;
}

/**
 * The data of a `connections` event: the run has more connections by now, or more is known of them, so that its detail is to be asked anew.
 */
export interface ConnectionsAnswer {
  run: string;
}

/**
 * `GET /api/v1/stream[?run=NAME…]`: server-sent events.
 * `step`: a StepAnswer. `run`: a RunSummary, when a run opens, starts a new attempt, is warned of or ends, or is dropped on a page.
 * `warning`: a WarningAnswer, when one is raised, cleared or acknowledged. `gone`: a run was deleted. `beat`: null, every 15 s.
 * `connections`: before the first step with them; arrays of a step are as long as the connections then are.
 * The id of an event holds the position in every run of the stream ("hc:1:230,mhc:1:229": run, attempt, step), so that
 * Last-Event-ID brings back exactly the steps that were missed, from the recordings; warnings are asked for anew.
 */
export interface StreamEvents {
  step: StepAnswer;
  run: RunSummary;
  connections: ConnectionsAnswer;
  warning: WarningAnswer;
  gone: GoneAnswer;
  beat: null;
}
