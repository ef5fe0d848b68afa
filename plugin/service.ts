/** The pipeline with its sinks, its clock and its server, put together: what the worker runs, and `gainwatch serve`. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createIngest, sweep } from './ingest/lifecycle.ts';
import { createMetrics } from './metrics/exposition.ts';
import { createNotifier } from './notify/notifier.ts';
import { parseTarget } from './notify/target.ts';
import { checkStall, closeRun, createPipeline, type Pipeline } from './pipeline/pipeline.ts';
import { loadRecorder } from './recorder/load.ts';
import { createApp } from './server/app.ts';
import { checkDoor, type Door } from './server/door.ts';
import { listen } from './server/listen.ts';
import { createStream } from './server/stream.ts';

export interface ServiceOptions extends Door {
  /** Folder of the recordings. */
  directory: string;
  port: number;
  /** The user named the port: no other is taken. */
  portGiven: boolean;
  /** Addresses that warnings are sent to. */
  notify: readonly string[];
  /** Metrics of each rank of the runs that are sent here. */
  rankLabel?: boolean;
  now: () => number;
  /** Told of what the user should know, once each. */
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

/** How often the runs are asked whether they stand still, ms. */
const CLOCK = 5000;
/** How long notices may take to arrive when all ends, ms. */
const NOTICES_AT_MOST = 5000;

/** Of one request, ms: a recording of half a gigabyte may come through a slow tunnel. */
const REQUEST_AT_MOST = 3_600_000;
/** How long a client may go on sending what nobody reads, once it has its answer, ms. */
const ANSWERED_AT_MOST = 10_000;

const DIST = join(import.meta.dirname, '..');

/** @throws Error where the door's options do not fit together, or the port cannot be opened */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { directory, host, now, onProblem } = options;
  checkDoor(options);
  const targets = options.notify.map(parseTarget);
  const pipeline = createPipeline({ directory, recorder: await loadRecorder(onProblem), now, onProblem });
  const ingest = createIngest(pipeline);
  const metrics = createMetrics(packageVersion(), ingest, options.rankLabel);
  const stream = createStream(pipeline);
  pipeline.sinks.add(metrics.sink);
  pipeline.sinks.add(stream.sink);
  const notifier = createNotifier(targets, { fetch, random: Math.random, onProblem });
  pipeline.sinks.add(notifier.sink);
  const server = createServer(createApp({ door: options, pipeline, metrics, stream, ingest, assets: join(DIST, 'dashboard') }));
  server.requestTimeout = REQUEST_AT_MOST;
  // Only an upload is read before it is answered: all others have a few seconds instead of the hour.
  server.on('request', (request, response) => {
    response.once('finish', () => {
      if (!request.complete) setTimeout(() => request.complete || request.destroy(), ANSWERED_AT_MOST).unref();
    });
  });
  const port = await listen(server, host, options.port, options.portGiven);
  const clock = setInterval(() => {
    for (const run of pipeline.live.values()) if (run.outcome === null) checkStall(pipeline, run);
    sweep(ingest);
  }, CLOCK);
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return {
    pipeline,
    port,
    url: `http://${shown}:${port}${options.basePath}/`,
    note: options.port !== 0 && port !== options.port ? `port ${options.port} is taken, serving on ${port}` : null,
    close: async () => {
      clearInterval(clock);
      for (const run of pipeline.live.values()) closeRun(pipeline, run, 'unknown');
      stream.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([closed, notifier.close(NOTICES_AT_MOST)]);
    },
  };
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(DIST, '..', 'package.json'), 'utf8')) as { version: string };
  return version;
}
