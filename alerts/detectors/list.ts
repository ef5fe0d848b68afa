/**
 * The lists of all rules: detectors, words and entries, each with its line here and all else in its file. Names, severities and
 * causes are in src/telemetry/warning.ts.
 */
import type { CauseKind, RuleName } from '../../src/telemetry/warning.ts';
import type { Detector } from '../detector.ts';
import type { RuleEntry, WordsOf } from '../words.ts';
import { collapse, collapseEntry, collapseWords } from './collapse.ts';
import { deviationDrift, deviationEntry, deviationWords } from './deviation.ts';
import { gainEntry, gainForecast, gainWords } from './gain.ts';
import { nonfinite, nonfiniteEntry, nonfiniteWords } from './nonfinite.ts';
import { deadRouting, routingEntry, routingWords } from './routing.ts';
import { runawayConnection, runawayEntry, runawayWords } from './runaway.ts';
import { gradientEntry, gradientSpike, lossEntry, lossSpike, spikeWords } from './spikes.ts';
import { stallEntry, stalled, stallWords } from './stall.ts';

/** In the order in which warnings of one report are raised. */
export const DETECTORS: readonly Detector[] = [
  nonfinite,
  ...gainForecast,
  runawayConnection,
  collapse,
  deviationDrift,
  deadRouting,
  lossSpike,
  gradientSpike,
  stalled,
];

/** The words of each kind of cause. */
export const WORDS: WordsOf<CauseKind> = {
  ...nonfiniteWords,
  ...gainWords,
  ...runawayWords,
  ...collapseWords,
  ...deviationWords,
  ...routingWords,
  ...spikeWords,
  ...stallWords,
};

/** Alerts and runbook, in the order of the alerts. */
export const ENTRIES: Record<RuleName, RuleEntry> = {
  'gain-forecast': gainEntry,
  'runaway-connection': runawayEntry,
  nonfinite: nonfiniteEntry,
  collapse: collapseEntry,
  'deviation-drift': deviationEntry,
  'dead-routing': routingEntry,
  stalled: stallEntry,
  'loss-spike': lossEntry,
  'gradient-spike': gradientEntry,
};
