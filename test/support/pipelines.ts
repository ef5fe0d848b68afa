/** A pipeline, or an ingest over one, without server: with what its sinks saw. Timers stand still until a test advances them. */
import { onTestFinished, vi } from 'vitest';
import { handlePart } from '../../plugin/ingest/handlePart.ts';
import { INGEST_LIMITS } from '../../plugin/ingest/ingestRun.ts';
import { createIngest } from '../../plugin/ingest/lifecycle.ts';
import type { WarningChange } from '../../plugin/pipeline/detection.ts';
import { createPipeline, openRun } from '../../plugin/pipeline/pipeline.ts';
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
  const pipeline = createPipeline({ directory, recorder, now: () => 5_000_000, onProblem, ...change });
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

/** With a run that is open. */
export async function startRun(header: RunHeader, change?: PipelineChange) {
  const started = await startPipeline(change);
  return { ...started, run: openRun(started.pipeline, header) };
}

/** `handle` gives a body to the ingest as if it were a request to the run "sent". */
export async function startIngest(change: PipelineChange = {}) {
  const started = await startPipeline(change);
  const ingest = createIngest(started.pipeline, { ...INGEST_LIMITS });
  const schemas = compileSchemas();
  const handle = (body: Buffer) => handlePart(ingest, 'sent', decodeMatrices(schemas, body, started.pipeline.now()));
  return { ...started, ingest, handle };
}
