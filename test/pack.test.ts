/** What npm would publish, installed into an empty folder: first without TF.js, its Python package too, then as the README says. */
import { execFile } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { small, startForTest } from './support/commandLine.ts';
import { temporaryFolder } from './support/folders.ts';
import { findPytorch } from './support/pytorch.ts';
import { readmeBlocks } from './support/readme.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The command line as it is installed. */
const CLI = (folder: string) => join(folder, 'node_modules/gainwatch/dist/plugin/cli/gainwatch.js');
const QUIET = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];

/** Without TF.js: 32 MB in November 2026, 20 of them SQLite's binaries. A clone with its node_modules has 800. */
const MAX_INSTALLED_BYTES = 48e6;
const folder = temporaryFolder(afterAll);
let paths: string[];
const python = findPytorch();

beforeAll(async () => {
  const packed = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT });
  const [{ filename, files }] = JSON.parse(packed.stdout) as { filename: string; files: { path: string }[] }[];
  paths = files.map((f) => f.path);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  await run('npm', ['install', ...QUIET, join(folder, filename)], { cwd: folder });
});

/** Paths of all that lies under a folder. */
const filesUnder = (root: string): string[] => readdirSync(root, { recursive: true, encoding: 'utf8' }).map((path) => join(root, path));

test('the tarball holds what is needed and no more', () => {
  const needed = [
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'dist/plugin/index.js',
    'dist/plugin/index.d.ts',
    'dist/plugin/worker/worker.js',
    'dist/dashboard/index.html',
    'alerts/prometheus/gainwatch.rules.yml',
    'plugin/cli/text/paradise-lost.txt.br',
    'plugin/cli/text/README.md',
    'plugin/python/README.md',
    'plugin/python/pyproject.toml',
    'plugin/python/gainwatch/__init__.py',
    'plugin/python/gainwatch/py.typed',
  ];
  expect(paths).toEqual(expect.arrayContaining(needed));
  expect(paths.filter((path) => /(^|\/)(tests?|node_modules|bench|__pycache__)\/|tsbuildinfo|\.sqlite/.test(path))).toEqual([]);
  const sizes = filesUnder(join(folder, 'node_modules')).map((path) => lstatSync(path).size);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(MAX_INSTALLED_BYTES);
});

test.skipIf(python === null)('pip takes the Python package from it, and leaves nothing there', async () => {
  const sources = join(folder, 'node_modules/gainwatch/plugin/python');
  const before = filesUnder(sources);
  const install = `"${python}" -m pip install -q --disable-pip-version-check --no-deps --target packages "$(npx gainwatch python)"`;
  await run('sh', ['-c', install], { cwd: folder });
  expect(filesUnder(sources)).toEqual(before);
  expect(readdirSync(join(folder, 'packages/gainwatch'))).toEqual(expect.arrayContaining(['__init__.py', 'py.typed']));
  const env = { ...process.env, PYTHONPATH: join(folder, 'packages') };
  const { stdout } = await run(python!, ['-c', 'import gainwatch; print(gainwatch.watch.__module__)'], { cwd: folder, env });
  expect(stdout).toMatch(/^gainwatch\b/);
});

test("it serves without TF.js, and runs the README's loop with it", async () => {
  expect(existsSync(join(folder, 'node_modules/@tensorflow'))).toBe(false);
  const { stdout: help } = await run('npx', ['gainwatch', '--help'], { cwd: folder });
  expect(help).toContain('Usage: gainwatch');
  const entries = `
    import { createDetectors, detect } from 'gainwatch/alerts';
    import { analyse, MEASURE_INDEX, MEASURES } from 'gainwatch/telemetry';
    console.log([createDetectors, detect, analyse].map((f) => typeof f).join(), MEASURES[MEASURE_INDEX.forwardGain].key);`;
  const { stdout: imported } = await run(process.execPath, ['--input-type=module', '-e', entries], { cwd: folder });
  expect(imported.trim()).toBe('function,function,function forwardGain');
  const { url } = await startForTest(['serve', '--port', '0'], { program: CLI(folder), cwd: folder });
  expect(await (await fetch(`${url}metrics`)).text()).toContain('mhc_build_info');
  expect(await (await fetch(url)).text()).toContain('<title>gainwatch</title>');
  const refused = (...args: string[]) =>
    run('npx', ['gainwatch', 'demo', ...args], { cwd: folder }).catch((error: { stderr: string }) => error);
  expect((await refused()).stderr).toMatch(
    /backend wasm needs the package @tensorflow\/tfjs, .*npm install @tensorflow\/tfjs @tensorflow\/tfjs-backend-wasm/,
  );

  await run('npm', ['install', ...QUIET, '@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'], { cwd: folder });
  writeFileSync(join(folder, 'loop.js'), readmeBlocks('js').find((code) => code.includes("run: 'my-loop'"))!);
  const { stderr } = await run(process.execPath, ['loop.js'], { cwd: folder, env: { ...process.env, GAINWATCH_PORT: '0' } });
  expect(stderr).toContain('gainwatch: run my-loop: dashboard');
  expect(existsSync(join(folder, 'gainwatch-runs/my-loop.sqlite'))).toBe(true);

  const demo = await run(process.execPath, [CLI(folder), 'demo', ...small(2), '--port', '0', '--exit'], { cwd: folder });
  expect(demo.stderr).toMatch(/^Text: 0\.4 MiB, .*comes with gainwatch/m);

  expect((await refused('--backend', 'tensorflow')).stderr).toMatch(
    /backend tensorflow needs the package @tensorflow\/tfjs-node, .*npm install .*@tensorflow\/tfjs-node-gpu/,
  );

  // Where SQLite cannot be loaded, recording is off, reported once, and all else runs.
  renameSync(join(folder, 'node_modules/libsql'), join(folder, 'node_modules/libsql.away'));
  const without = await run(process.execPath, ['loop.js'], { cwd: folder, env: { ...process.env, GAINWATCH_PORT: '0' } });
  expect(without.stderr.match(/recording is off/g)).toHaveLength(1);
}, 480_000); // two installs, however busy the machine is
