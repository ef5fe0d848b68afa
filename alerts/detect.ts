/**
 * All detectors of a run: each report goes in once, warnings come out. Deterministic, without clock, file or device: the
 * state is plain data.
 */
import type { StepReport } from '../src/telemetry/report.ts';
import type { RunHeader } from '../src/telemetry/sample.ts';
import type { RuleName, Warning } from '../src/telemetry/warning.ts';
import { type Collapse, createCollapse, findCollapse } from './detectors/collapse.ts';
import { createDeviation, type Deviation, findDrift } from './detectors/deviation.ts';
import { createGain, findGain, type Gain, type GainForecast } from './detectors/gain.ts';
import { findNonfinite } from './detectors/nonfinite.ts';
import { createRouting, findDeadRouting, type Routing } from './detectors/routing.ts';
import { createRunaway, findRunaway, type Runaway } from './detectors/runaway.ts';
import { createSpikes, findSpike, type Spikes } from './detectors/spikes.ts';
import { createStall, findStall, noteReport, type Stall } from './detectors/stall.ts';
import { createLatch, type Finding, type Latch, latch, type Patience } from './latch.ts';
import { createWarmth, isWarm, type Warmth } from './warmth.ts';

/** Steps in a row: that raise a warning, and that end it. */
const PATIENCE: Record<RuleName, Patience> = {
  'gain-forecast': { confirm: 2, clear: 100 },
  'runaway-connection': { confirm: 5, clear: 100 },
  collapse: { confirm: 5, clear: 100 },
  'deviation-drift': { confirm: 5, clear: 100 },
  'dead-routing': { confirm: 1, clear: 100 },
  nonfinite: { confirm: 1, clear: 20 },
  stalled: { confirm: 1, clear: 1 },
  'loss-spike': { confirm: 1, clear: 20 },
  'gradient-spike': { confirm: 1, clear: 20 },
};

/** Of the state's form: one of another version is not restored. */
const VERSION = 4;

export interface DetectorState {
  version: number;
  /** Streams and connections of the run, for the check at a restart. */
  model: string;
  /** Above 1 warns of the gain earlier and more often, below 1 later. */
  sensitivity: number;
  /** Of the last report; 0 before the first. */
  step: number;
  /** Warnings that hold at the moment. */
  active: Warning[];
  /** Steps until the composite gain reaches a threshold, by threshold; Infinity where none is near. */
  forecast: GainForecast[];
  /** By rule; the gain forecast has one per limit. */
  latches: Record<string, Latch>;
  warmth: Warmth;
  runaway: Runaway;
  gain: Gain;
  collapse: Collapse;
  deviation: Deviation;
  routing: Routing;
  loss: Spikes;
  gradient: Spikes;
  stall: Stall;
}

/** What changed with one report. */
export interface Detection {
  raised: Warning[];
  cleared: Warning[];
}

/** A state says nothing of a model of other streams or connections. */
const modelOf = ({ streams, connections }: RunHeader): string =>
  JSON.stringify([streams, ...connections.map(({ name, kind, convention }) => [name, kind, convention])]);

/** @throws RangeError where the sensitivity is not above 0 */
export function createDetectors(header: RunHeader, { sensitivity = 1 }: { sensitivity?: number } = {}): DetectorState {
  if (!(sensitivity > 0 && sensitivity < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`sensitivity must be a finite number above 0: ${sensitivity}`);
  }
  const layers = header.connections.length;
  return {
    version: VERSION,
    model: modelOf(header),
    sensitivity,
    step: 0,
    active: [],
    forecast: [],
    latches: {},
    warmth: createWarmth(),
    runaway: createRunaway(header),
    gain: createGain(),
    collapse: createCollapse(),
    deviation: createDeviation(header),
    routing: createRouting(layers),
    loss: createSpikes(),
    gradient: createSpikes(),
    stall: createStall(),
  };
}

/** Takes the next report in, in order. Changes `state`. */
export function detect(header: RunHeader, state: DetectorState, report: StepReport): Detection {
  const warm = isWarm(state.warmth, report.learningRate);
  noteReport(state.stall, report.step, report.time);
  const runaway = findRunaway(header, state.runaway, report);
  const gain = findGain(header, state.gain, report, state.runaway, state.sensitivity);
  state.step = report.step;
  state.forecast = gain.forecasts;
  return settle(state, [
    ['nonfinite', findNonfinite(header, report)],
    ...gain.findings.map(({ found, confirm }, i): Found => ['gain-forecast', found, i, confirm]),
    ['runaway-connection', runaway],
    ['collapse', findCollapse(header, state.collapse, report, state.runaway)],
    ['deviation-drift', findDrift(header, state.deviation, report)],
    ['dead-routing', findDeadRouting(header, state.routing, report, warm)],
    ['loss-spike', findSpike(header, state.loss, report, 'loss-spike', 'loss')],
    ['gradient-spike', findSpike(header, state.gradient, report, 'gradient-spike', 'gradientNorm')],
    ['stalled', null],
  ]);
}

/** The one detector that needs a clock: has the run made no step for long? @param now milliseconds since 1970 */
export function detectStall(header: RunHeader, state: DetectorState, now: number): Detection {
  return settle(state, [['stalled', findStall(header, state.stall, now)]]);
}

/** What a rule found; `part` tells the limits of one rule apart, each with its own `confirm` in place of the rule's. */
type Found = [rule: RuleName, found: Finding, part?: number, confirm?: number];

function settle(state: DetectorState, findings: Found[]): Detection {
  const detection: Detection = { raised: [], cleared: [] };
  for (const [rule, found, part = 0, confirm = PATIENCE[rule].confirm] of findings) {
    const key = `${rule} ${part}`;
    state.latches[key] ??= createLatch();
    const { raised, cleared } = latch(state.latches[key], found, state.step, { confirm, clear: PATIENCE[rule].clear });
    if (cleared !== null) detection.cleared.push(cleared);
    if (raised !== null) detection.raised.push(raised);
  }
  if (detection.raised.length + detection.cleared.length > 0) {
    state.active = Object.values(state.latches).flatMap(({ active }) => active ?? []);
  }
  return detection;
}

/** For a file: the state as text. NaN and ±Infinity, which JSON lacks, become `{"number": "NaN"}`. */
export function saveDetectors(state: DetectorState): string {
  return JSON.stringify(state, (_key, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? { number: String(value) } : value,
  );
}

/** @returns null where the text is none of a state for this run (another model, another version) */
export function restoreDetectors(header: RunHeader, text: string): DetectorState | null {
  let state: DetectorState | null;
  try {
    state = JSON.parse(text, (_key, value: unknown) =>
      typeof value === 'object' && value !== null && 'number' in value ? Number(value.number) : value,
    ) as DetectorState | null;
  } catch {
    return null;
  }
  if (state?.version !== VERSION || state.model !== modelOf(header)) return null;
  // The time between two processes is no standstill.
  state.stall.time = 0;
  return state;
}
