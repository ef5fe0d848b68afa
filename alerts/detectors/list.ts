/** The list of detectors, in the order in which their warnings come. A rule is one line here, beside its file. */
import type { Detector } from '../detector.ts';
import { collapse } from './collapse.ts';
import { deviationDrift } from './deviation.ts';
import { gainForecast } from './gain.ts';
import { nonfinite } from './nonfinite.ts';
import { deadRouting } from './routing.ts';
import { runawayConnection } from './runaway.ts';
import { gradientSpike, lossSpike } from './spikes.ts';
import { stalled } from './stall.ts';

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
