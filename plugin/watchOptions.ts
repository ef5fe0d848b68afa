/** The options of watch(): what they mean, their defaults and their limits. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { MAX_TOKENS } from '../src/telemetry/sample.ts';
import type { Warning } from '../src/telemetry/warning.ts';
import { parseTarget } from './notify/target.ts';
import { checkRunName } from './recorder/directory.ts';
import { checkSentToken, readMonitorUrl, sentToken } from './sender/monitorAddress.ts';
import { DEFAULT_PORT } from './server/listen.ts';
import { readToken, TOKEN_NAMES, type Tokens, tokensIn } from './token.ts';
import { wholeNumberRule } from './wholeNumber.ts';
import type { ServerOptions } from './worker/client.ts';

export interface WatchOptions {
  /** Name of the run: 1 to 64 of A–Z a–z 0–9 . _ -. GAINWATCH_RUN unless given, or its start and chance, like run-20261124-081500-3f9c. */
  run?: string;
  /**
   * With `url`: shows the monitor that the run is this training's, 8 to 128 of A–Z a–z 0–9 . _ : -. GAINWATCH_KEY unless given, or a random
   * one (`monitor.key`). What resumes from a checkpoint gives the key, and the name, of what it resumes.
   */
  key?: string;
  /** Number of the first step; 1 unless given. A run that goes on from a checkpoint keeps its numbers, and its warnings with them. */
  firstStep?: number;
  /** Where learning rate, gradient norm, gradient and optimizer bytes are read. A compiled model brings its own. */
  optimizer?: tf.Optimizer;
  /**
   * Address of a `gainwatch serve` that runs already, like http://127.0.0.1:9464: the run is sent there, and no dashboard is served
   * here (`port`, `host`, `allowHost`, `basePath`, `runs` and `notify` mean nothing then). GAINWATCH_URL unless given.
   */
  url?: string;
  /** Port of dashboard and /metrics. Given: this one or an error; by default GAINWATCH_PORT, or 9464 or the next free one. */
  port?: number;
  /** Address to listen on; 127.0.0.1 unless given. Others than loopback need a token. */
  host?: string;
  /**
   * Asked of everyone who connects, gives the rights to view and to send; GAINWATCH_TOKEN, or what the file GAINWATCH_TOKEN_FILE holds,
   * unless given. The next three likewise (GAINWATCH_VIEW_TOKEN, GAINWATCH_VIEW_TOKEN_FILE …).
   */
  token?: string;
  /** Gives the right to view alone. */
  viewToken?: string;
  /** Gives the right to send alone. */
  sendToken?: string;
  /** Gives the rights to view and to decide: acknowledge warnings, delete recordings. */
  decideToken?: string;
  /** Further names allowed in the Host header. */
  allowHost?: readonly string[];
  /** Path of the server behind a proxy, like /gainwatch. */
  basePath?: string;
  /** Folder of the recordings; ./gainwatch-runs unless given. */
  runs?: string;
  /** Token positions sampled per step, the same in every connection; 64 unless given. */
  tokens?: number;
  /** Watch every k-th step; 1 unless given (10 on the tensorflow backend, whose reads block). */
  every?: number;
  /** Measure ‖∂L/∂x‖ / ‖∂L/∂x'‖ of each connection too; off unless asked for: it adds two operations per connection. */
  gradientGain?: boolean;
  /**
   * Called on the training thread between two steps when a warning of any severity is raised: save, cut the learning rate, stop.
   * The next step waits for it; an async function is not awaited. What it throws is reported, and the training goes on.
   */
  onWarning?: (warning: Warning) => void | Promise<void>;
  /** Addresses that warnings are posted to, `slack:https://…` in Slack's format; GAINWATCH_NOTIFY unless given. */
  notify?: string | readonly string[];
  /** Called with each line that the user should read; they go to stderr unless given. */
  log?: (line: string) => void;
}

type Defaulted = 'run' | 'key' | 'firstStep' | 'tokens' | 'gradientGain' | 'log';

/** WatchOptions as they were read: checked, with their defaults. `log` throws nothing. */
export interface WatchSettings extends Required<Pick<WatchOptions, Defaulted>>, Pick<WatchOptions, 'onWarning'> {
  /** null: as the backend allows. */
  readonly every: number | null;
  /** What the worker is started with. */
  readonly server: ServerOptions;
}

/** Our choice: a sample of 24 connections (n = 4) has 0.3 MB. */
const DEFAULT_TOKENS = 64;

/** @throws Error naming the option, its rule and the value */
export function readWatchOptions(options: WatchOptions): WatchSettings {
  const { env } = process;
  const run = options.run ?? (env['GAINWATCH_RUN'] || defaultName(new Date()));
  checkRunName(run);
  const log = silenced(options.log ?? ((line) => process.stderr.write(`gainwatch: ${line}\n`)));
  return {
    run,
    key: keyOption(options.key ?? (env['GAINWATCH_KEY'] || randomBytes(16).toString('hex'))),
    tokens: wholeOption('tokens', options.tokens ?? DEFAULT_TOKENS, 1, MAX_TOKENS),
    firstStep: wholeOption('firstStep', options.firstStep ?? 1, 1, 1e12),
    every: options.every === undefined ? null : wholeOption('every', options.every, 1, 1e9),
    gradientGain: options.gradientGain ?? false,
    onWarning: (warning) => options.onWarning?.(warning),
    log,
    server: readServerOptions(options, log),
  };
}

/** A logger that fails is nothing the training should die of. */
const silenced =
  (write: (line: string) => void) =>
  (line: string): void => {
    try {
      write(line);
    } catch {
      // see above
    }
  };

function wholeOption(name: string, value: number, low: number, high: number): number {
  const rule = wholeNumberRule(value, low, high);
  if (rule !== null) throw new Error(`watch: ${name} ${rule}, got ${value}`);
  return value;
}

/** Two trainings that begin in the same second have two names. */
const defaultName = (start: Date): string =>
  `run-${start.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15)}-${randomBytes(2).toString('hex')}`;

/** Not repeated: who has it may go on in the run. */
function keyOption(key: string): string {
  if (!/^[A-Za-z0-9._:-]{8,128}$/.test(key)) throw new Error('watch: key (GAINWATCH_KEY) must be 8 to 128 of A–Z a–z 0–9 . _ : -');
  return key;
}

function readServerOptions(options: WatchOptions, log: (line: string) => void): ServerOptions {
  const { env } = process;
  const port = options.port ?? (env['GAINWATCH_PORT'] === undefined ? undefined : Number(env['GAINWATCH_PORT']));
  const notify = [options.notify ?? env['GAINWATCH_NOTIFY'] ?? []].flat();
  for (const target of notify) parseTarget(target);
  const url = readMonitorUrl(options.url ?? env['GAINWATCH_URL'] ?? null);
  const tokens = Object.fromEntries(TOKEN_NAMES.map((name) => [name, options[name] ?? readToken(tokensIn(env), name, log)])) as Tokens;
  if (url !== null) checkSentToken(sentToken(tokens));
  return {
    directory: options.runs ?? join(process.cwd(), 'gainwatch-runs'),
    host: options.host ?? '127.0.0.1',
    port: wholeOption('port (GAINWATCH_PORT)', port ?? DEFAULT_PORT, 0, 65535),
    portGiven: port !== undefined,
    ...tokens,
    allowHost: options.allowHost ?? [],
    basePath: options.basePath ?? '',
    notify,
    url,
  };
}
