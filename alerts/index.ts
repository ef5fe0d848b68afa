/** `gainwatch/alerts`: the detectors, the names and severities of their rules, and from where on a run is warned of. */
export { type Cause, RULE_SEVERITIES, RULES, type RuleName, SEVERITIES, type Severity, type Warning } from '../src/telemetry/warning.ts';
export { createDetectors, type Detection, type DetectorState, detect, detectStall, restoreDetectors, saveDetectors } from './detect.ts';
export { isBounded, runLimits } from './limits.ts';
