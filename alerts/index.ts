/** `gainwatch/alerts`: the detectors and the table of rules. */
export { createDetectors, type Detection, type DetectorState, detect, detectStall, restoreDetectors, saveDetectors } from './detect.ts';
export { RULES, type RuleName, SEVERITIES, type Severity, type Warning } from './warning.ts';
