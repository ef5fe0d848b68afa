/** What npm would publish, installed into an empty folder: first without TF.js, then as the README says. */
import { execFile } from 'node:child_process';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { small, startForTest } from './support/commandLine.ts';
import { temporaryFolder } from './support/folders.ts';
import { readmeBlocks } from './support/readme.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The command line as it is installed. */
const CLI = (folder: string) => join(folder, 'node_modules/gainwatch/dist/plugin/cli/gainwatch.js');
const QUIET = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];

test("the tarball serves without TF.js, and runs the README's loop with it", async () => {
  const folder = temporaryFolder();
  const packed = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT });
  const [{ filename, files }] = JSON.parse(packed.stdout) as { filename: string; files: { path: string }[] }[];
  const paths = files.map((f) => f.path);
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
  ];
  expect(paths).toEqual(expect.arrayContaining(needed));
  expect(paths.filter((path) => /(^|\/)(test|node_modules|bench)\/|tsbuildinfo|\.sqlite/.test(path))).toEqual([]);

  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  await run('npm', ['install', ...QUIET, join(folder, filename)], { cwd: folder });
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
