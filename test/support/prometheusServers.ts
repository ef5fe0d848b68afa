/** A real Prometheus and a real Alertmanager with the files that we ship, for tests; removed at the end of the test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { freePort } from './servers.ts';

const shipped = (path: string) => fileURLToPath(new URL(`../../alerts/${path}`, import.meta.url));
export const RULES = shipped('prometheus/gainwatch.rules.yml');

/** Starts a server of the Prometheus project with a configuration. @returns its host and port */
async function start(program: string, folder: string, configuration: string, args: readonly string[]): Promise<string> {
  const address = `127.0.0.1:${await freePort()}`;
  const file = join(folder, `${basename(program)}.yml`);
  writeFileSync(file, configuration);
  const child = spawn(program, [`--config.file=${file}`, `--web.listen-address=${address}`, ...args], { stdio: 'ignore' });
  const closed = once(child, 'close');
  onTestFinished(async () => {
    child.kill();
    await closed;
  });
  return address;
}

/**
 * Scrapes and evaluates every second; the rules are used as they are.
 * @param target address of a dashboard; @param alertmanager host and port
 */
export function startPrometheus(program: string, folder: string, target: string, alertmanager?: string) {
  const alerting = alertmanager === undefined ? '' : `alerting: {alertmanagers: [{static_configs: [{targets: ['${alertmanager}']}]}]}\n`;
  const config = `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [${RULES}]
${alerting}scrape_configs: [{job_name: gainwatch, static_configs: [{targets: ['${new URL(target).host}']}]}]
`;
  return runPrometheus(program, folder, config);
}

/** With a configuration of one's own. */
export async function runPrometheus(program: string, folder: string, text: string) {
  const address = await start(program, folder, text, [`--storage.tsdb.path=${join(folder, 'tsdb')}`]);
  const ask = async <T>(path: string): Promise<T> => ((await (await fetch(`http://${address}/api/v1/${path}`)).json()) as { data: T }).data;
  /** Of the series of a query. */
  const values = async (query: string): Promise<number[]> => {
    const { result } = await ask<{ result: { value: [number, string] }[] }>(`query?query=${encodeURIComponent(query)}`);
    return result.map(({ value }) => Number(value[1].replace('+Inf', 'Infinity')));
  };
  return { ask, values };
}

/** The example's configuration with our receiver in it and without the wait for a group. @returns host and port */
export function startAlertmanager(program: string, folder: string, receiver: string): Promise<string> {
  const example = readFileSync(shipped('alertmanager.example.yml'), 'utf8');
  const changed = example.replace(/url: http:\S+/, `url: ${receiver}`).replace(/group_wait: \w+/, 'group_wait: 0s');
  return start(program, folder, changed, [`--storage.path=${join(folder, 'alertmanager')}`, '--cluster.listen-address=']);
}
