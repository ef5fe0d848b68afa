/** A real Prometheus and a real Alertmanager with the files that we ship, for tests; removed at the end of the test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { freePort } from './servers.ts';

const shipped = (path: string) => fileURLToPath(new URL(`../../alerts/${path}`, import.meta.url));
export const RULES = shipped('prometheus/gainwatch.rules.yml');

function start(program: string, args: string[]): void {
  const child = spawn(program, args, { stdio: 'ignore' });
  const closed = once(child, 'close');
  onTestFinished(async () => {
    child.kill();
    await closed;
  });
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
  const port = await freePort();
  const config = join(folder, 'prometheus.yml');
  writeFileSync(config, text);
  start(program, [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, 'tsdb')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=error',
  ]);
  const ask = async <T>(path: string): Promise<T> =>
    ((await (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json()) as { data: T }).data;
  /** Of the series of a query. */
  const values = async (query: string): Promise<number[]> => {
    const { result } = await ask<{ result: { value: [number, string] }[] }>(`query?query=${encodeURIComponent(query)}`);
    return result.map(({ value }) => Number(value[1].replace('+Inf', 'Infinity')));
  };
  return { ask, values };
}

/** The example's configuration with our receiver in it and without the wait for a group. @returns host and port */
export async function startAlertmanager(program: string, folder: string, receiver: string): Promise<string> {
  const port = await freePort();
  const config = join(folder, 'alertmanager.yml');
  const example = readFileSync(shipped('alertmanager.example.yml'), 'utf8');
  const changed = example.replace(/url: http:\S+/, `url: ${receiver}`).replace(/group_wait: \w+/, 'group_wait: 0s');
  writeFileSync(config, changed);
  start(program, [
    `--config.file=${config}`,
    `--storage.path=${join(folder, 'alertmanager')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
    '--log.level=error',
  ]);
  return `127.0.0.1:${port}`;
}
