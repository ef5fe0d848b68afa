/** `gainwatch/alerts`: the detectors and the table of rules. */
export { RULE_SEVERITIES, RULES, type RuleName, SEVERITIES, type Severity, type Warning } from '../src/telemetry/warning.ts';
export { createDetectors, type Detection, type DetectorState, detect, detectStall, restoreDetectors, saveDetectors } from './detect.ts';
