/** What we ship to deploy gainwatch with: consistent in itself, and started with its own arguments, with a real Prometheus where there is one. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { type Command, startCommand } from '../support/commandLine.ts';
import { temporaryFolder } from '../support/folders.ts';
import { findPrometheus, findPromtool } from '../support/programs.ts';
import { RULES, runPrometheus } from '../support/prometheusServers.ts';

const DEPLOY = fileURLToPath(new URL('../../alerts/deploy/', import.meta.url));
const TOKEN = 'token-of-the-test';
const readText = (path: string) => readFileSync(join(DEPLOY, path), 'utf8');

type Labels = Record<string, string>;
interface Probe {
  httpGet: { path: string; port: string };
}
interface Container {
  name: string;
  image: string;
  args?: string[];
  restartPolicy?: string;
  ports?: { name: string; containerPort: number }[];
  startupProbe?: Probe;
  readinessProbe?: Probe;
  livenessProbe?: Probe;
  env?: { name: string; value: string }[];
  volumeMounts: { name: string; mountPath: string }[];
}
interface Pod {
  metadata: { labels: Labels };
  spec: {
    restartPolicy?: string;
    initContainers?: Container[];
    containers: Container[];
    volumes: { name: string; persistentVolumeClaim?: { claimName: string }; secret?: { secretName: string }; emptyDir?: object }[];
  };
}
interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels: Labels };
}
interface Workload extends Manifest {
  spec: { replicas?: number; strategy?: { type: string }; selector?: { matchLabels: Labels }; template: Pod };
}
interface Service extends Manifest {
  spec: { selector: Labels; ports: { name: string; port: number; targetPort: string }[] };
}
interface PodMonitor extends Manifest {
  spec: {
    selector: { matchLabels: Labels };
    podMetricsEndpoints: { port: string; path: string; authorization: { type: string; credentials: { name: string; key: string } } }[];
  };
}
interface Secret extends Manifest {
  stringData: Record<string, string>;
}
interface Compose {
  services: Record<string, { build?: string; image?: string; command: string[]; ports: string[]; volumes: string[]; secrets?: string[] }>;
  secrets: Record<string, { file: string }>;
  volumes: Record<string, object>;
}

const manifests: Manifest[] = ['secret', 'central', 'sidecar', 'podmonitor'].flatMap((name) =>
  parseAllDocuments(readText(`kubernetes/${name}.yml`)).map((document) => {
    expect(document.errors, name).toEqual([]);
    return document.toJS() as Manifest;
  }),
);
const only = <T extends Manifest>(kind: string): T => {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  expect(found, kind).toHaveLength(1);
  return found[0] as T;
};
const deployment = only<Workload>('Deployment');
const job = only<Workload>('Job');
const compose = parse(readText('docker-compose.yml')) as Compose;

const selects = (selector: Labels, { metadata }: Pod) => Object.entries(selector).every(([key, value]) => metadata.labels[key] === value);
const monitorOf = ({ spec }: Pod) => [...(spec.initContainers ?? []), ...spec.containers].find(({ name }) => name === 'gainwatch')!;
const flagOf = (args: readonly string[], flag: string) => args.find((arg) => arg.startsWith(`--${flag}=`))?.slice(flag.length + 3);

/** Starts gainwatch with the arguments that are shipped; folder, token and port are the test's. */
async function startWith(args: readonly string[]): Promise<Command> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'token'), `${TOKEN}\n`);
  const changed = args.map((arg) =>
    arg
      .replace(/^--runs=.*/, `--runs=${join(folder, 'runs')}`)
      .replace(/^--token-file=.*/, `--token-file=${join(folder, 'token')}`)
      .replace(/^--port=.*/, '--port=0'),
  );
  const serve = await startCommand(changed);
  onTestFinished(() => void serve.stop());
  return serve;
}

/** The answer's status, asked as by another machine: fetch allows no Host of one's own. */
function ask(url: string, path: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  return new Promise((done, fail) => {
    request(new URL(path, url), { headers }, async (response) => {
      let text = '';
      for await (const part of response) text += part;
      done({ status: response.statusCode!, text });
    })
      .once('error', fail)
      .end();
  });
}

describe('Kubernetes', () => {
  test('kinds are of the versions that have them, and names are names', () => {
    const versions: Record<string, string> = {
      Secret: 'v1',
      PersistentVolumeClaim: 'v1',
      Service: 'v1',
      Deployment: 'apps/v1',
      Job: 'batch/v1',
      PodMonitor: 'monitoring.coreos.com/v1',
    };
    expect(manifests.map(({ kind }) => kind).sort()).toEqual(Object.keys(versions).sort());
    for (const { apiVersion, kind, metadata } of manifests) {
      expect(apiVersion).toBe(versions[kind]);
      expect(metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
    }
  });

  test('selectors find their pods', () => {
    expect(selects(deployment.spec.selector!.matchLabels, deployment.spec.template)).toBe(true);
    expect(job.spec.selector).toBeUndefined();
    const service = only<Service>('Service');
    expect(selects(service.spec.selector, deployment.spec.template)).toBe(true);
    expect(selects(service.spec.selector, job.spec.template)).toBe(false);
    const podMonitor = only<PodMonitor>('PodMonitor');
    for (const { spec } of [deployment, job]) {
      expect(selects(podMonitor.spec.selector.matchLabels, spec.template)).toBe(true);
      const [port] = monitorOf(spec.template).ports!;
      expect(podMonitor.spec.podMetricsEndpoints.map((endpoint) => endpoint.port)).toEqual([port.name]);
    }
    expect(service.spec.ports[0].targetPort).toBe(monitorOf(deployment.spec.template).ports![0].name);
  });

  test.each([deployment, job])('$kind: port, probes, volumes and token fit together', ({ spec: { template } }) => {
    const monitor = monitorOf(template);
    const args = monitor.args!;
    expect(flagOf(args, 'port')).toBe(String(monitor.ports![0].containerPort));
    for (const probe of [monitor.startupProbe, monitor.readinessProbe, monitor.livenessProbe]) {
      if (probe !== undefined) expect(probe.httpGet).toEqual({ path: '/healthz', port: monitor.ports![0].name });
    }
    expect(monitor.livenessProbe).toBeDefined();
    const secret = only<Secret>('Secret');
    for (const container of [...(template.spec.initContainers ?? []), ...template.spec.containers]) {
      for (const { name } of container.volumeMounts) expect(template.spec.volumes.map((volume) => volume.name)).toContain(name);
      const tokenFile =
        flagOf(container.args ?? [], 'token-file') ?? container.env!.find(({ name }) => name === 'GAINWATCH_TOKEN_FILE')!.value;
      const mount = container.volumeMounts.find(({ name }) => name === 'token')!;
      expect(Object.keys(secret.stringData).map((key) => `${mount.mountPath}/${key}`)).toContain(tokenFile);
    }
    expect(monitor.volumeMounts.map(({ mountPath }) => mountPath)).toContain(flagOf(args, 'runs'));
    for (const { secret: used, persistentVolumeClaim } of template.spec.volumes) {
      if (used !== undefined) expect(used.secretName).toBe(secret.metadata.name);
      if (persistentVolumeClaim !== undefined) expect(persistentVolumeClaim.claimName).toBe(only('PersistentVolumeClaim').metadata.name);
    }
  });

  test('the central one is one, and the sidecar ends with its training', () => {
    expect(deployment.spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
    expect(job.spec.template.spec.restartPolicy).toBe('Never');
    expect(monitorOf(job.spec.template).restartPolicy).toBe('Always');
  });

  test('Prometheus asks with the token of the secret, and a secret left empty opens no door', async () => {
    const secret = only<Secret>('Secret');
    const [{ authorization }] = only<PodMonitor>('PodMonitor').spec.podMetricsEndpoints;
    expect(authorization).toEqual({ type: 'Bearer', credentials: { name: secret.metadata.name, key: 'token' } });
    expect(secret.stringData).toEqual({ token: '' });
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'token'), secret.stringData['token']);
    const started = startCommand(['serve', '--port=0', `--runs=${folder}`, `--token-file=${join(folder, 'token')}`]);
    await expect(started).rejects.toThrow(/must hold at least 8 printable characters/);
  });

  test.each([deployment, job])(
    '$kind: gainwatch starts with these arguments, and answers probes and scrapes by address',
    async ({ spec }) => {
      const { url } = await startWith(monitorOf(spec.template).args!);
      const Host = '10.1.2.3:9464';
      expect(await ask(url, '/healthz', { Host })).toEqual({ status: 200, text: 'ok\n' });
      expect((await ask(url, '/metrics', { Host })).status).toBe(401);
      const { status, text } = await ask(url, '/metrics', { Host, Authorization: `Bearer ${TOKEN}` });
      expect(status).toBe(200);
      expect(text).toContain('mhc_build_info');
    },
  );
});

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
    const text = readText('prometheus.yml');
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
  return readText('prometheus.yml')
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
    expect((await ask(url, '/sd', { Host: 'gainwatch:9464', Authorization: `Bearer ${TOKEN}` })).text).toContain('"gainwatch:9464"');
    const folder = temporaryFolder();
    const config = configFor(folder, `127.0.0.1:${port}`).replaceAll(/_interval: \d+s/g, '_interval: 1s');
    const { values } = await runPrometheus(prometheus!, folder, config);
    const up = () => values(`up{job="gainwatch",instance="127.0.0.1:${port}"}`).catch(() => []);
    await expect.poll(up, { timeout: 30_000 }).toEqual([1]);
  },
  60_000,
);
