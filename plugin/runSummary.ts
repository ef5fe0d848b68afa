/** A run as the HTTP interface sums it up, made of what its recording or the memory of this process knows. Pure. */
import { runLimits } from '../alerts/limits.ts';
import type { AttemptInfo, RunDetail, RunSummary } from '../src/telemetry/api.ts';
import { MEASURES } from '../src/telemetry/catalogue.ts';
import type { StepReport } from '../src/telemetry/report.ts';
import { boundOf, MEMORY_KINDS, type RunHeader } from '../src/telemetry/sample.ts';
import type { SelfTestEntry } from '../src/telemetry/selfTest.ts';
import { toWireOrNull } from '../src/telemetry/wire.ts';

/** What a summary is made of: what only one source knows how to find. */
export interface RunFacts extends Pick<RunSummary, 'attempt' | 'uploaded' | 'live' | 'outcome' | 'startedAt' | 'activeWarnings'> {
  header: RunHeader;
  last: Pick<StepReport, 'step' | 'time' | 'loss' | 'compositeGain'> | null;
  maxCompositeGain: number | null;
}

/** A row of `GET /api/v1/runs`. */
export function summarize({ header, last, maxCompositeGain, ...facts }: RunFacts): RunSummary {
  return {
    run: header.run,
    streams: header.streams,
    kinds: [...new Set(header.connections.map(({ kind }) => kind))],
    connectionCount: header.connections.length,
    ...facts,
    lastStep: last?.step ?? null,
    lastTime: last?.time ?? null,
    lastLoss: toWireOrNull(last?.loss),
    lastCompositeGain: toWireOrNull(last?.compositeGain),
    maxCompositeGain: toWireOrNull(maxCompositeGain),
  };
}

/** `GET /api/v1/runs/{run}`. @param attempts oldest first */
export function detail(facts: RunFacts, attempts: AttemptInfo[], selfTest: readonly SelfTestEntry[] | null): RunDetail {
  const { header } = facts;
  return {
    ...summarize(facts),
    limits: runLimits(header),
    tokens: header.tokens,
    connections: header.connections.map((one) => ({ ...one, bounded: boundOf(one) })),
    selfTest,
    measures: [...MEASURES],
    memoryKinds: [...MEMORY_KINDS],
    attempts,
  };
}
