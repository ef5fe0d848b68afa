/** The pipeline with its sinks and its server, put together: what the worker runs, and `gainwatch serve`. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createMetrics } from './metrics/exposition.ts';
import { closeRun, createPipeline, type Pipeline } from './pipeline.ts';
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

const DIST = join(import.meta.dirname, '..');

/** @throws Error where the door's options do not fit together, or the port cannot be opened */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { directory, host, now, onProblem } = options;
  checkDoor(options);
  const pipeline = createPipeline({ directory, recorder: await loadRecorder(onProblem), now, onProblem });
  const metrics = createMetrics(packageVersion());
  const stream = createStream(pipeline);
  pipeline.sinks.add(metrics.sink);
  pipeline.sinks.add(stream.sink);
  const server = createServer(createApp({ door: options, pipeline, metrics, stream, assets: join(DIST, 'dashboard') }));
  const port = await listen(server, host, options.port, options.portGiven);
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return {
    pipeline,
    port,
    url: `http://${shown}:${port}${options.basePath}/`,
    note: options.port !== 0 && port !== options.port ? `port ${options.port} is taken, serving on ${port}` : null,
    close: () =>
      new Promise((resolve) => {
        for (const run of pipeline.live.values()) closeRun(pipeline, run, 'unknown');
        stream.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(DIST, '..', 'package.json'), 'utf8')) as { version: string };
  return version;
}
