/** A pipeline, or an ingest over one, without server: with what its sinks saw. Timers stand still until a test advances them. */
import { onTestFinished, vi } from 'vitest';
import { handleParts } from '../../plugin/ingest/handleParts.ts';
import { INGEST_LIMITS } from '../../plugin/ingest/ingestRun.ts';
import { createIngest } from '../../plugin/ingest/knownRuns.ts';
import type { WarningChange } from '../../plugin/pipeline/detection.ts';
import type { LiveRun } from '../../plugin/pipeline/liveRun.ts';
import { createPipeline, openRun, type Pipeline } from '../../plugin/pipeline/pipeline.ts';
import type { AttemptOwner } from '../../plugin/recorder/attempts.ts';
import { requireRecorder } from '../../plugin/recorder/loadRecorder.ts';
import { decodeMatrices } from '../../plugin/wire/decodeMatrices.ts';
import { compileSchemas } from '../../plugin/wire/schema.ts';
import type { RunHeader } from '../../src/telemetry/sample.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';
import { temporaryFolder } from './folders.ts';

type PipelineChange = Partial<Parameters<typeof createPipeline>[0]>;

export async function startPipeline({ directory = temporaryFolder(), ...change }: PipelineChange = {}) {
  const problems: string[] = [];
  const onProblem = (message: string) => problems.push(message);
  const recorder = await requireRecorder();
  // One clock for both, unless a test lets them go apart.
  const now = change.now ?? (() => 5_000_000);
  const pipeline = createPipeline({ directory, recorder, onProblem, monotonic: now, ...change, now });
  /** Steps that were shown. */
  const steps: number[] = [];
  const warnings: { what: WarningChange; step: number; record: WarningRecord }[] = [];
  pipeline.sinks.add({
    onStep: (_run, { step }) => steps.push(step),
    onWarning: (run, record, what) => warnings.push({ what, step: run.detection.detectors.step, record: { ...record } }),
  });
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  return { pipeline, directory, problems, steps, warnings };
}

/** Lets SQLite find its disk full, in the recording that is open and in each that is opened, until it is given room again. */
export function fillDisk(pipeline: Pipeline, run: LiveRun): { makeRoom: () => void } {
  const { openRecording } = pipeline.recorder!;
  const limit = (pages: number) => run.recording?.db.pragma(`max_page_count = ${pages}`);
  limit(1);
  pipeline.recorder!.openRecording = (...given) => {
    const opened = openRecording(...given);
    opened.db.pragma('max_page_count = 1');
    return opened;
  };
  return {
    makeRoom: () => {
      pipeline.recorder!.openRecording = openRecording;
      limit(1_000_000);
    },
  };
}

/** With a run that is open. */
export async function startRun(header: RunHeader, change?: PipelineChange, owner: AttemptOwner | null = null) {
  const started = await startPipeline(change);
  return { ...started, run: openRun(started.pipeline, header, owner) };
}

/** `handle` gives a body to the ingest as if it were a request to the run "sent". */
export async function startIngest(change: PipelineChange = {}) {
  const started = await startPipeline(change);
  const ingest = createIngest(started.pipeline, { ...INGEST_LIMITS });
  const schemas = compileSchemas();
  const handle = (body: Buffer, key: string | null = null) =>
    handleParts(ingest, 'sent', [decodeMatrices(schemas, body, started.pipeline.now())], key);
  return { ...started, ingest, handle };
}
