/** The worker as a source: makes the report of a sample of the training thread. Its way from there is the pipeline's. */
import { analyse } from '../../src/telemetry/analyse.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader, StepSample } from '../../src/telemetry/sample.ts';
import type { LiveRun } from '../pipeline/liveRun.ts';
import { handleReport, type Pipeline } from '../pipeline/pipeline.ts';

/**
 * Passes the report of a sample to the pipeline.
 * @param header of the sample: its connections may be some of the run's, or new ones. A sample that does not fit it is counted as an error,
 * warned of once, and lost.
 * @returns resolves when it is known what became of it; never rejects
 */
export async function handleSample(pipeline: Pipeline, run: LiveRun, sample: StepSample, header: RunHeader = run.header): Promise<void> {
  let report: StepReport;
  try {
    report = analyse(header, sample);
  } catch (error) {
    run.errors++;
    const message = `step ${sample.step} of ${header.run} could not be analysed: ${(error as Error).message}`;
    pipeline.warnOnce(`analyse ${header.run}`, message);
    return;
  }
  await handleReport(pipeline, run, report, header);
}
