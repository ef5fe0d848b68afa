/** The manifests for Kubernetes: consistent in themselves, and gainwatch starts with the arguments that stand there. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { startCommand } from '../support/commandLine.ts';
import { flagOf, readDeployed, startWith, TOKEN } from '../support/deploy.ts';
import { temporaryFolder } from '../support/folders.ts';
import { ask } from '../support/service.ts';

type Labels = Record<string, string>;
interface Container {
  name: string;
  args?: string[];
  restartPolicy?: string;
  ports: { name: string; containerPort: number }[];
  startupProbe?: { httpGet: object };
  readinessProbe?: { httpGet: object };
  livenessProbe?: { httpGet: object };
  env: { name: string; value: string }[];
  volumeMounts: { name: string; mountPath: string }[];
}
interface Pod {
  metadata: { labels: Labels };
  spec: {
    restartPolicy?: string;
    initContainers?: Container[];
    containers: Container[];
    volumes: { name: string; persistentVolumeClaim?: { claimName: string }; secret?: { secretName: string } }[];
  };
}
/** What is read of manifests; what of it is there depends on the kind. */
interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  spec: {
    selector: Record<string, unknown> & { matchLabels: Labels };
    template: Pod;
    ports: { targetPort: string }[];
    podMetricsEndpoints: { port: string; authorization: object }[];
  };
  stringData: Labels;
}

const manifests: Manifest[] = ['secret', 'central', 'sidecar', 'podmonitor'].flatMap((name) =>
  parseAllDocuments(readDeployed(`kubernetes/${name}.yml`)).map((document) => {
    expect(document.errors, name).toEqual([]);
    return document.toJS() as Manifest;
  }),
);
/** The one of its kind: the first test sees that there is no other. */
const only = (kind: string) => manifests.find((manifest) => manifest.kind === kind)!;
const [deployment, job, service, podMonitor, secret] = ['Deployment', 'Job', 'Service', 'PodMonitor', 'Secret'].map(only);

const selects = (selector: object, { metadata }: Pod) => Object.entries(selector).every(([key, value]) => metadata.labels[key] === value);
const containersOf = ({ spec }: Pod) => [...(spec.initContainers ?? []), ...spec.containers];
const monitorOf = (pod: Pod) => containersOf(pod).find(({ name }) => name === 'gainwatch')!;

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
    expect(selects(deployment.spec.selector.matchLabels, deployment.spec.template)).toBe(true);
    expect(job.spec.selector).toBeUndefined();
    expect(selects(service.spec.selector, deployment.spec.template)).toBe(true);
    expect(selects(service.spec.selector, job.spec.template)).toBe(false);
    for (const { spec } of [deployment, job]) {
      expect(selects(podMonitor.spec.selector.matchLabels, spec.template)).toBe(true);
      const [port] = monitorOf(spec.template).ports;
      expect(podMonitor.spec.podMetricsEndpoints.map((endpoint) => endpoint.port)).toEqual([port.name]);
    }
    expect(service.spec.ports[0].targetPort).toBe(monitorOf(deployment.spec.template).ports[0].name);
  });

  test.each([deployment, job])('$kind: port, probes, volumes and token fit together', ({ spec: { template } }) => {
    const monitor = monitorOf(template);
    const args = monitor.args!;
    expect(flagOf(args, 'port')).toBe(String(monitor.ports[0].containerPort));
    for (const probe of [monitor.startupProbe, monitor.readinessProbe, monitor.livenessProbe]) {
      if (probe !== undefined) expect(probe.httpGet).toEqual({ path: '/healthz', port: monitor.ports[0].name });
    }
    expect(monitor.livenessProbe).toBeDefined();
    for (const container of containersOf(template)) {
      for (const { name } of container.volumeMounts) expect(template.spec.volumes.map((volume) => volume.name)).toContain(name);
      const tokenFile =
        flagOf(container.args ?? [], 'token-file') ?? container.env.find(({ name }) => name === 'GAINWATCH_TOKEN_FILE')!.value;
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

  test('Prometheus asks with the token of the secret, and a secret left empty gives no access', async () => {
    const [{ authorization }] = podMonitor.spec.podMetricsEndpoints;
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
      const monitor = new URL((await startWith(monitorOf(spec.template).args!)).url);
      const Host = '10.1.2.3:9464';
      expect(await ask(monitor, '/healthz', { Host })).toMatchObject({ status: 200, body: 'ok\n' });
      expect((await ask(monitor, '/metrics', { Host })).status).toBe(401);
      const { status, body } = await ask(monitor, '/metrics', { Host, Authorization: `Bearer ${TOKEN}` });
      expect(status).toBe(200);
      expect(body).toContain('mhc_build_info');
    },
  );
});
