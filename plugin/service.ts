/** The pipeline with its sinks, its clock and its server, put together: what the worker runs, and `gainwatch serve`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createIngest } from './ingest/knownRuns.ts';
import { sweep } from './ingest/lifecycle.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createNotifier } from './notify/notifier.ts';
import { parseTarget } from './notify/target.ts';
import { checkStall, closeRun, createPipeline, type Pipeline } from './pipeline/pipeline.ts';
import { loadRecorder } from './recorder/loadRecorder.ts';
import { createUpkeep } from './recorder/upkeep.ts';
import { type Access, checkAccess } from './server/access.ts';
import { createApp } from './server/httpApp.ts';
import { createHttpServer } from './server/httpServer.ts';
import { listen } from './server/listen.ts';
import { createStream } from './server/stream.ts';

export interface ServiceOptions extends Access {
  /** Folder of the recordings. */
  directory: string;
  port: number;
  /** The user named the port: no other is taken. */
  portGiven: boolean;
  /** Addresses that warnings are sent to. */
  notify: readonly string[];
  /** Metrics of each rank of the runs that are sent here. */
  rankLabel?: boolean;
  /** Runs will be sent here: what takes them in is started at once. */
  expectsRuns?: boolean;
  /** false: nothing is kept; true: what cannot be kept is not acknowledged. Unless given, runs are kept where SQLite can be loaded. */
  record?: boolean;
  /** How many days a recording is kept after its run has ended; null: for ever. */
  keepDays?: number | null;
  /** Of all recordings, above which the oldest ended ones are removed; null: no bound. */
  maxBytes?: number | null;
  now: () => number;
  /** Gets what the user should know: faults, once each, and who did what. */
  onProblem: (message: string) => void;
}

export interface Service {
  readonly pipeline: Pipeline;
  readonly url: string;
  readonly port: number;
  /** The port is not the asked one: why. */
  readonly note: string | null;
  /** Ends the runs that go on (outcome unknown), the connections and the server. */
  close(): Promise<void>;
}

/** How often the runs are asked whether they stand still. Our choice: far below the minute after which the soonest is said to. */
const CHECK_INTERVAL_MS = 5000;
/** How long notices may take to arrive when all ends. Our choice: what someone waits for after Ctrl-C. */
const MAX_NOTICE_WAIT_MS = 5000;

const DIST = join(import.meta.dirname, '..');

/** A service that listens. @throws Error where the options of access do not fit together, or the port cannot be opened */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { directory, host, now, onProblem } = options;
  checkAccess(options);
  const targets = options.notify.map(parseTarget);
  const { record, keepDays = null, maxBytes = null } = options;
  const recorder = record === false ? null : await loadRecorder(onProblem);
  const pipeline = createPipeline({ directory, recorder, keeps: record ?? recorder !== null, now, onProblem });
  const ingest = createIngest(pipeline);
  const stream = createStream(pipeline);
  const upkeep = createUpkeep({
    directory,
    keepDays,
    maxBytes,
    isHere: (run) => pipeline.live.has(run) || ingest.runs.has(run),
    onRemoved: (run) => stream.emit('gone', run, { run }),
    onProblem,
  });
  const metrics = createMetrics(packageVersion(), ingest, options.rankLabel, pipeline.keeps ? upkeep.disk : null);
  pipeline.sinks.add(metrics.sink);
  pipeline.sinks.add(stream.sink);
  const notifier = createNotifier(targets, { fetch, random: Math.random, onProblem });
  pipeline.sinks.add(notifier.sink);
  const app = createApp({ access: options, pipeline, metrics, stream, ingest, assets: join(DIST, 'dashboard') });
  const server = createHttpServer(app, pipeline.warnOnce);
  const port = await listen(server, host, options.port, options.portGiven);
  if (options.expectsRuns) ingest.analyst.start(); // once there is a port: a thread would keep a process that failed
  if (pipeline.keeps) upkeep.start();
  const checks = setInterval(() => {
    for (const run of pipeline.live.values()) if (run.outcome === null) checkStall(pipeline, run);
    sweep(ingest);
  }, CHECK_INTERVAL_MS);
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return {
    pipeline,
    port,
    url: `http://${shown}:${port}${options.basePath}/`,
    note: options.port !== 0 && port !== options.port ? `port ${options.port} is taken, serving on ${port}` : null,
    close: async () => {
      clearInterval(checks);
      upkeep.close();
      for (const run of pipeline.live.values()) closeRun(pipeline, run, 'unknown');
      stream.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([closed, ingest.analyst.close(), notifier.close(MAX_NOTICE_WAIT_MS)]);
    },
  };
}

/** Of the package.json beside the built files. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(DIST, '..', 'package.json'), 'utf8')) as { version: string };
  return version;
}
