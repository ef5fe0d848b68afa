// Puts @tensorflow/tfjs-node into node_modules, so that the tests run on the tensorflow backend too. Its own install script
// downloads libtensorflow from a host that CI cannot reach; PyPI's tensorflow-cpu has the same C library inside, so the addon
// is compiled against that one. All that is fetched and built is kept in a cache: the second run only copies. Called after
// `npm ci`, which empties node_modules. Where it cannot be done, it says SKIPPED and why, and ends well: the tests then say
// so too.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's own is 2.9.1, but in wheels before 2.12 the C library hangs on Python's symbols. The C interface is a stable one. */
const LIBRARY = '2.15.1';
const NODE_API_HEADERS = '1.9.0';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const modules = join(root, 'node_modules', '@tensorflow');
const target = join(modules, 'tfjs-node');
const base = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'gainwatch-ci');

class Skip extends Error {}

/** @throws Skip with `what` and what the program said of it */
function run(what, program, args, cwd) {
  try {
    return execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 26, timeout: 600_000 });
  } catch (error) {
    if (error.code === 'ENOENT') throw new Skip(`${what}: ${program} is not installed`);
    const lines = `${error.stderr ?? ''}`.split('\n').filter((line) => /error|no module/i.test(line));
    throw new Skip(`${what}: ${lines.slice(0, 3).join(' | ') || error.message}`);
  }
}

/** Unpacks only what is needed of the wheel's gigabyte: the two libraries and the headers of the C interface. */
const UNPACK = `
import sys, zipfile
wanted = ('tensorflow/libtensorflow_cc', 'tensorflow/libtensorflow_framework', 'tensorflow/include/tensorflow/c/',
          'tensorflow/include/tensorflow/core/platform/', 'tensorflow/include/tsl/')
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if name.startswith(wanted)])
`;

/** Everything into `folder`, which will be moved to `cache`. */
function build(folder, cache, version) {
  run('the compiler', 'g++', ['--version']);
  run('pip', 'python3', ['-m', 'pip', '--version']);

  console.log(`tensorflow: npm install @tensorflow/tfjs-node@${version} (without its script)`);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const packages = [`@tensorflow/tfjs-node@${version}`, `node-api-headers@${NODE_API_HEADERS}`];
  // Nested: what the package needs then lies in its own folder, and is copied with it.
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--install-strategy=nested'];
  run('npm install', 'npm', ['install', ...options, ...packages], folder);
  // TF.js is in the house already: a second one would be another engine, without our tensors.
  rmSync(join(folder, 'node_modules/@tensorflow/tfjs-node/node_modules/@tensorflow'), { recursive: true });

  console.log(`tensorflow: pip download tensorflow-cpu==${LIBRARY} (about 200 MB)`);
  const wheels = join(folder, 'wheels');
  const which = ['--no-deps', '--only-binary=:all:', '--implementation', 'cp', '--python-version', '3.11', '--platform', 'manylinux2014_x86_64'];
  const patience = ['--timeout', '30', '--retries', '2', '--no-cache-dir', '--disable-pip-version-check', '-q'];
  run('pip download', 'python3', ['-m', 'pip', 'download', ...patience, ...which, '-d', wheels, `tensorflow-cpu==${LIBRARY}`]);
  run('unpacking the wheel', 'python3', ['-c', UNPACK, join(wheels, readdirSync(wheels)[0]), folder]);
  rmSync(wheels, { recursive: true });

  console.log('tensorflow: g++');
  const binding = join(folder, 'node_modules/@tensorflow/tfjs-node/binding');
  const include = [binding, join(folder, 'node_modules/node-api-headers/include'), join(folder, 'tensorflow/include')];
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(binding, name));
  const libraries = [`-L${join(folder, 'tensorflow')}`, '-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'];
  const flags = ['-std=c++17', '-O2', '-shared', '-fPIC', '-w', '-DNAPI_VERSION=8', `-Wl,-rpath,${join(cache, 'tensorflow')}`];
  run('compiling', 'g++', [...flags, ...include.map((path) => `-I${path}`), ...sources, '-o', join(folder, 'tfjs_binding.node'), ...libraries]);
}

function fill(cache, version) {
  if (existsSync(join(cache, 'tfjs_binding.node'))) return;
  mkdirSync(base, { recursive: true });
  const folder = mkdtempSync(join(base, 'making-'));
  try {
    build(folder, cache, version);
    rmSync(cache, { recursive: true, force: true });
    renameSync(folder, cache);
  } catch (error) {
    // Another run may have been first: its cache is as good.
    if (!existsSync(join(cache, 'tfjs_binding.node'))) throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function install(cache) {
  cpSync(join(cache, 'node_modules/@tensorflow/tfjs-node'), target, { recursive: true });
  const need = createRequire(join(target, 'package.json'));
  const addon = need('@mapbox/node-pre-gyp').find(join(target, 'package.json')); // where the package will look for it
  mkdirSync(dirname(addon), { recursive: true });
  cpSync(join(cache, 'tfjs_binding.node'), addon);
}

/** In a process of its own: a library that does not fit this machine may end it. */
const TRY = `
  const util = require('node:util');
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
  const tf = require('@tensorflow/tfjs-node');
  if (tf.getBackend() !== 'tensorflow' || tf.add(1, 2).dataSync()[0] !== 3) throw new Error('1 + 2 is not 3');
  console.log(tf.backend().binding.TF_Version);
`;

try {
  rmSync(target, { recursive: true, force: true });
  const { platform, arch } = process;
  if (platform !== 'linux' || arch !== 'x64') throw new Skip(`the C library is taken from a wheel for linux on x64, this is ${platform} on ${arch}`);
  if (!existsSync(join(modules, 'tfjs'))) throw new Skip('node_modules has no @tensorflow/tfjs: npm ci comes first');
  const { version } = JSON.parse(readFileSync(join(modules, 'tfjs', 'package.json'), 'utf8'));
  const cache = join(base, `tensorflow-${version}-${LIBRARY}`);
  fill(cache, version);
  install(cache);
  const got = run('trying it', process.execPath, ['-e', TRY], root).trim();
  console.log(`tensorflow: @tensorflow/tfjs-node ${version} with libtensorflow ${got} is in node_modules`);
} catch (error) {
  rmSync(target, { recursive: true, force: true }); // half of it would fail the tests instead of skipping them
  if (!(error instanceof Skip)) throw error;
  console.log(`\nSKIPPED: tensorflow backend: ${error.message}\n`);
}
