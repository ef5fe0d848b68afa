/** Runs the jobs of the evaluation in threads, each of which reads the recordings itself. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type BaselineResult, type GainwatchResult, type Job, runJob } from './jobs.ts';
import { readSeries } from './series.ts';

export type Result = GainwatchResult | BaselineResult;

/**
 * @param folder of the recordings
 * @param onDone called after each job
 * @returns the results, in the order of the jobs
 * @throws Error that names the job that failed
 */
export async function runJobs(folder: string, jobs: readonly Job[], threads: number, onDone: () => void): Promise<Result[]> {
  const results: Result[] = new Array(jobs.length);
  const queue = [...jobs.keys()];
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(import.meta.filename, { workerData: folder });
      let at: number | undefined;
      const next = (): void => {
        at = queue.shift();
        if (at === undefined) worker.terminate().then(() => resolve(), reject);
        else worker.postMessage(jobs[at]);
      };
      worker.on('error', reject);
      worker.on('message', (result: Result) => {
        if (at !== undefined) results[at] = result;
        onDone();
        next();
      });
      next();
    });
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, work));
  return results;
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const all = readSeries(workerData as string);
  port.on('message', (job: Job) => {
    try {
      port.postMessage(runJob(all, job));
    } catch (cause) {
      const name = job.kind === 'baseline' ? job.name : `gainwatch at sensitivity ${job.sensitivity}`;
      throw new Error(`${name}: ${String(cause)}`, { cause });
    }
  });
}
