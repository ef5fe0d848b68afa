/** Options that several commands share, and how their values are read. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_PORT } from '../server/listen.ts';
import type { ServiceOptions } from '../service.ts';
import { tokenOf } from '../token.ts';
import { numberOf, wholeNumberRule } from '../wholeNumber.ts';

/** Reads the value of a flag. @throws InvalidArgumentError where it is no whole number, or outside the limits */
export const parseWholeNumber =
  (low: number, high?: number) =>
  (text: string): number => {
    const value = numberOf(text);
    const rule = wholeNumberRule(value, low, high);
    if (rule !== null) throw new InvalidArgumentError(`It ${rule}.`);
    return value;
  };

/** Reads the value of a flag. @throws InvalidArgumentError where it is no finite number above 0 */
export const parsePositive = (text: string): number => {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
};

/** Powers of 1024, as `du -h` and `df -h` write them. */
const UNITS = 'KMGT';

/** Reads a size in bytes: 1048576, 500M, 10G (GB and GiB too). @throws InvalidArgumentError where it is none */
export const parseBytes = (text: string): number => {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)\s*([KMGT])?(?:i?B)?$/i.exec(text.trim()) ?? [];
  const value = Math.round(Number(digits) * 1024 ** (unit === '' ? 0 : UNITS.indexOf(unit.toUpperCase()) + 1));
  if (!(value > 0) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('It must be a number of bytes above 0, or one with K, M, G or T.');
  return value;
};

const collect = (value: string, before: string[]): string[] => [...before, value];

export interface ServerFlags {
  port?: number;
  host: string;
  token?: string;
  tokenFile?: string;
  allowHost: string[];
  basePath: string;
  /** Where the command raises warnings. */
  notify?: string[];
  rankLabel?: boolean;
}

/** Adds the flags of a server: fresh objects for each command, as commander keeps state in them. */
export const withServerFlags = (command: Command): Command => serverFlags().reduce((flagged, option) => flagged.addOption(option), command);

const serverFlags = (): Option[] => [
  new Option('--port <port>', `port of dashboard and /metrics (default: ${DEFAULT_PORT}, or the next free one)`)
    .env('GAINWATCH_PORT')
    .argParser(parseWholeNumber(0, 65535)),
  new Option('--host <address>', 'address to listen on; others than loopback need a token').default('127.0.0.1'),
  new Option('--token <token>', 'asked of everyone who connects: as Bearer, or once in the browser as /?token=…').env('GAINWATCH_TOKEN'),
  new Option('--token-file <file>', 'file with the token, instead of --token').env('GAINWATCH_TOKEN_FILE'),
  new Option('--allow-host <name>', "further name in the Host header, repeatable; '*' for all (needs a token)")
    .argParser(collect)
    .default([], 'none'),
  new Option('--base-path <path>', 'path of the server behind a proxy, like /gainwatch').default('', 'none'),
];

/** Where warnings are posted; a fresh object for each command. */
export const notifyFlag = (): Option =>
  new Option('--notify <address>', "address that warnings are posted to, repeatable; slack:https://… for Slack's format")
    .argParser(collect)
    .default([], 'none');

/** The folder of the recordings; a fresh object for each command. */
export const runsFlag = (): Option =>
  new Option('--runs <folder>', 'folder of the recordings, created where it is missing').default('gainwatch-runs');

/** The options of a service of this process. @throws Error where the token cannot be read */
export function serviceOptions(flags: ServerFlags, directory: string): ServiceOptions {
  return {
    ...flags,
    directory,
    port: flags.port ?? DEFAULT_PORT,
    portGiven: flags.port !== undefined,
    token: tokenOf(flags),
    notify: flags.notify ?? [],
    now: Date.now,
    onProblem: (message) => process.stderr.write(`gainwatch: ${message}\n`),
  };
}

/** For people: stdout is for results. */
export const print = (line: string): boolean => process.stderr.write(`${line}\n`);

/** The lines about a server that has started. The token itself is not in them. */
export const addresses = (url: string, token: string | null): string =>
  `Dashboard  ${url}${token === null ? '' : '?token=…'}\nMetrics    ${url}metrics\n`;
