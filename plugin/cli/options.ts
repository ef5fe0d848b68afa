/** Options that several commands share, and how their values are read. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_PORT } from '../server/listen.ts';
import { isGuarded } from '../server/rights.ts';
import type { ServiceOptions } from '../service.ts';
import { readTokens, TOKEN_FLAGS, type TokenName, type TokenOptions, type Tokens, tokenVariable } from '../token.ts';
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

export interface ServerFlags extends TokenOptions {
  port?: number;
  host: string;
  allowHost: string[];
  basePath: string;
  /** Where the command raises warnings. */
  notify?: string[];
  rankLabel?: boolean;
}

/** Adds the flags of a server: fresh objects for each command, as commander keeps state in them. */
export const withServerFlags = (command: Command): Command => serverFlags().reduce((flagged, option) => flagged.addOption(option), command);

/** What each token gives, in the words of the help. */
const MAY: Record<TokenName, string> = {
  token: 'asked of everyone who connects, as Bearer or once in the browser as /?token=…: gives the rights to view and to send',
  viewToken: 'gives the right to view alone: dashboard, /metrics, what the interface answers',
  sendToken: 'gives the right to send alone: runs of other processes, recordings',
  decideToken: 'gives the rights to view and to decide: acknowledge warnings, delete recordings',
};

const tokenFlags = (): Option[] =>
  (Object.keys(MAY) as TokenName[]).flatMap((name) => {
    const flag = TOKEN_FLAGS[name];
    const file = `${flag}-file`;
    return [
      new Option(`--${flag} <token>`, MAY[name]).env(tokenVariable(flag)),
      new Option(`--${file} <file>`, `file with it, instead of --${flag}`).env(tokenVariable(file)),
    ];
  });

const serverFlags = (): Option[] => [
  new Option('--port <port>', `port of dashboard and /metrics (default: ${DEFAULT_PORT}, or the next free one)`)
    .env('GAINWATCH_PORT')
    .argParser(parseWholeNumber(0, 65535)),
  new Option('--host <address>', 'address to listen on; others than loopback need a token').default('127.0.0.1'),
  ...tokenFlags(),
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

/** What the user should know. */
export const tell = (message: string): boolean => print(`gainwatch: ${message}`);

/** The options of a service of this process. @throws Error where a token cannot be read */
export function serviceOptions(flags: ServerFlags, directory: string): ServiceOptions {
  return {
    ...flags,
    ...readTokens(flags, tell),
    directory,
    port: flags.port ?? DEFAULT_PORT,
    portGiven: flags.port !== undefined,
    notify: flags.notify ?? [],
    now: Date.now,
    onProblem: tell,
  };
}

/** For people: stdout is for results. */
export const print = (line: string): boolean => process.stderr.write(`${line}\n`);

/** The lines about a server that has started. A token itself is not in them. */
export const addresses = (url: string, tokens: Tokens): string =>
  `Dashboard  ${url}${isGuarded(tokens) ? '?token=…' : ''}\nMetrics    ${url}metrics\n`;
