/** `gainwatch`: watch a training run. */
export type { Outcome } from '../src/telemetry/report.ts';
export type { MonitorCounters } from '../src/telemetry/sample.ts';
export type { Cause, RuleName, Severity, Warning, WarningRecord } from '../src/telemetry/warning.ts';
export { type CloseOptions, type Monitor, type OwnConnection, type Watchable, type WatchOptions, watch } from './watch.ts';
