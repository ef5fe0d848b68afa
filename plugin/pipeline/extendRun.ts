/** A run that gets more connections while it goes on, or of which more becomes known: all that knows it by positions follows the names. */
import { mergeHeader } from '../../src/telemetry/listing.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import { widenReport } from '../../src/telemetry/widen.ts';
import type { Detectors } from './detection.ts';
import type { LiveRun, QueuedReport } from './liveRun.ts';
import { emit, type SinkContext } from './sinks.ts';

/** What names connections, and how many streams they have. */
export type OwnHeader = Pick<RunHeader, 'connections' | 'streams'>;

/** Adds to the run's connections what `own` has and they have not; nothing where it has nothing new. */
export function extendRun(context: SinkContext & { readonly detectors: Detectors }, run: LiveRun, own: OwnHeader): void {
  const before = run.header;
  const after = mergeHeader(before, own);
  if (after === before) return;
  run.header = after;
  context.detectors.move(before, after, run.detection.detectors);
  if (run.last !== null) run.last = widenReport(run.last, before.connections, after.connections, after.streams);
  emit(context, run, (sink) => sink.onExtend?.(run, before));
}

/** A report of an earlier time, as of the connections that the run has by now. */
export const asOfNow = ({ header }: LiveRun, { report, connections }: Pick<QueuedReport, 'report' | 'connections'>): StepReport =>
  widenReport(report, connections, header.connections, header.streams);
