/** Docker compose and its Prometheus: consistent in themselves, and with a real Prometheus where there is one. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { DEPLOY, flagOf, readDeployed, startWith, TOKEN } from '../support/deploy.ts';
import { temporaryFolder } from '../support/folders.ts';
import { findPrometheus, findPromtool } from '../support/programs.ts';
import { RULES, runPrometheus } from '../support/prometheusServers.ts';
import { ask } from '../support/service.ts';

interface Compose {
  services: Record<string, { build?: string; image?: string; command: string[]; ports: string[]; volumes: string[]; secrets?: string[] }>;
  secrets: Record<string, { file: string }>;
  volumes: Record<string, object>;
}

const compose = parse(readDeployed('docker-compose.yml')) as Compose;

describe('docker compose', () => {
  test('mounts what is there, and names what it has', () => {
    expect(existsSync(join(DEPLOY, compose.services['gainwatch'].build!, 'Dockerfile'))).toBe(true);
    for (const { volumes, secrets = [] } of Object.values(compose.services)) {
      for (const volume of volumes) {
        const [from] = volume.split(':');
        if (from.startsWith('.')) expect(existsSync(resolve(DEPLOY, from)), from).toBe(true);
        else expect(compose.volumes).toHaveProperty(from);
      }
      for (const secret of secrets) expect(compose.secrets).toHaveProperty(secret);
    }
    const { command, ports } = compose.services['gainwatch'];
    expect(ports).toEqual([`${flagOf(command, 'port')}:${flagOf(command, 'port')}`]);
    expect(flagOf(command, 'token-file')).toBe('/run/secrets/token');
  });

  test("Prometheus' configuration names the services, the rules and the token as they are mounted", () => {
    const { command, volumes, secrets } = compose.services['prometheus'];
    const text = readDeployed('prometheus.yml');
    const config = parse(text) as { rule_files: string[]; scrape_configs: { http_sd_configs: { url: string }[] }[] };
    const mounted = volumes.map((volume) => volume.split(':')[1]);
    expect(mounted).toEqual(expect.arrayContaining([...config.rule_files, flagOf(command, 'config.file')]));
    expect(new Set(text.match(/\/run\/secrets\/\w+/g))).toEqual(new Set(secrets!.map((name) => `/run/secrets/${name}`)));
    const { hostname, port } = new URL(config.scrape_configs[0].http_sd_configs[0].url);
    expect(Object.keys(compose.services)).toEqual(expect.arrayContaining([hostname, 'alertmanager']));
    const { command: serve } = compose.services[hostname];
    expect([flagOf(serve, 'allow-host'), flagOf(serve, 'port')]).toEqual([hostname, port]);
  });
});

/** The file with what lies elsewhere here. */
function configFor(folder: string, monitor: string): string {
  writeFileSync(join(folder, 'token'), TOKEN);
  return readDeployed('prometheus.yml')
    .replaceAll('/run/secrets/token', join(folder, 'token'))
    .replace('/etc/prometheus/gainwatch.rules.yml', RULES)
    .replace('gainwatch:9464', monitor);
}

const promtool = findPromtool();
test.skipIf(promtool === null)('promtool accepts prometheus.yml', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'prometheus.yml'), configFor(folder, 'gainwatch:9464'));
  const { status, stdout, stderr } = spawnSync(promtool!, ['check', 'config', join(folder, 'prometheus.yml')], { encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
});

const prometheus = findPrometheus();
test.skipIf(prometheus === null)(
  'Prometheus with prometheus.yml finds the monitor of docker compose by /sd, and scrapes it',
  async () => {
    const { url } = await startWith(compose.services['gainwatch'].command);
    const { port } = new URL(url);
    expect((await ask({ port }, '/sd', { Host: 'gainwatch:9464', Authorization: `Bearer ${TOKEN}` })).body).toContain('"gainwatch:9464"');
    const folder = temporaryFolder();
    const config = configFor(folder, `127.0.0.1:${port}`).replaceAll(/_interval: \d+s/g, '_interval: 1s');
    const { values } = await runPrometheus(prometheus!, folder, config);
    const up = () => values(`up{job="gainwatch",instance="127.0.0.1:${port}"}`).catch(() => []);
    await expect.poll(up, { timeout: 30_000 }).toEqual([1]);
  },
  60_000,
);
