/** What the house promises of itself: lengths, doc comments, names, links. Lint keeps arrows, cycles, lines of a file: biome.json. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'vite';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MAX_README_LINES = 160;
/** The formatter's line width, for what it does not format. */
const MAX_COMMENT_COLUMNS = 140;
/** As lint has it for TypeScript. */
const MAX_PYTHON_LINES = 250;
const MIN_DOCUMENTED = 0.95;

const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' });
const files = list.split('\0').filter((path) => path !== '' && existsSync(join(ROOT, path)));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const sources = files.filter(
  (path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts') && !/^ \* .*Generated: .npm run kernels/m.test(read(path)),
);
const parsed = new Map(sources.map((path) => [path, parseSync(path, read(path))]));

test('the README is short', () => {
  expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(MAX_README_LINES);
});

test('comments are no wider than code', () => {
  const wide = sources.flatMap((path) => {
    const lines = read(path).split('\n');
    const commented = new Set(parsed.get(path)!.comments.flatMap(({ start, end }) => linesOf(read(path), start, end)));
    return lines.flatMap((line, i) => (commented.has(i) && line.length > MAX_COMMENT_COLUMNS ? [`${path}:${i + 1}`] : []));
  });
  expect(wide).toEqual([]);
});

function linesOf(text: string, start: number, end: number): number[] {
  const first = text.slice(0, start).split('\n').length - 1;
  return Array.from({ length: text.slice(start, end).split('\n').length }, (_, i) => first + i);
}

test('exported functions say what a caller must know', () => {
  const functions = sources
    .filter((path) => /^(src|alerts|plugin)\//.test(path) && !path.includes('/assembly/'))
    .flatMap(exportedFunctions);
  const bare = functions.filter(({ documented }) => !documented).map(({ where }) => where);
  expect(functions.length).toBeGreaterThan(300);
  expect(bare.length / functions.length, bare.join('\n')).toBeLessThanOrEqual(1 - MIN_DOCUMENTED);
});

function exportedFunctions(path: string): { where: string; documented: boolean }[] {
  const text = read(path);
  return parsed.get(path)!.program.body.flatMap((node) => {
    if (node.type !== 'ExportNamedDeclaration' || node.declaration === null) return [];
    const { declaration } = node;
    const documented = text.slice(0, node.start).trimEnd().endsWith('*/');
    if (declaration.type === 'FunctionDeclaration') return [{ where: `${path} ${declaration.id?.name}`, documented }];
    if (declaration.type !== 'VariableDeclaration') return [];
    const functions = declaration.declarations.filter(
      ({ init }) => init?.type === 'ArrowFunctionExpression' || init?.type === 'FunctionExpression',
    );
    return functions.map(({ id }) => ({ where: `${path} ${id.type === 'Identifier' ? id.name : ''}`, documented }));
  });
}

test('a module of the Python package is short, and its first lines say what it is', () => {
  const modules = files.filter((path) => /^plugin\/python\/gainwatch\/.*\.py$/.test(path));
  const long = modules.filter((path) => read(path).trimEnd().split('\n').length > MAX_PYTHON_LINES);
  expect(long).toEqual([]);
  expect(modules.filter((path) => !read(path).startsWith('"""'))).toEqual([]);
});

test('the Python package has the version of the npm package', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  expect(/^__version__ = "(.*)"$/m.exec(read('plugin/python/gainwatch/version.py'))?.[1]).toBe(version);
});

test('no test measures time', () => {
  const timed = sources.filter((path) => path.endsWith('.test.ts') && /\bnow\(\) - [a-z]/.test(read(path)));
  expect(timed).toEqual([]);
});

test('one base name is one file, but for entries, and an operation in its backends', () => {
  const named = files.filter((path) => /^(src|alerts|plugin|dashboard)\/.*\.tsx?$/.test(path) && !path.startsWith('src/kernels/'));
  const names = named.map((path) => basename(path).replace(/(\.d)?\.tsx?$/, '')).filter((name) => name !== 'index');
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

test('the page carries no attribute that nothing of it reads', () => {
  const page = files.filter((path) => /^dashboard\/.*\.(tsx?|css)$/.test(path)).map(read);
  const given = new Set(page.flatMap((text) => [...text.matchAll(/\s(data-[a-z-]+)=/g)].map(([, name]) => name)));
  const readers = page.join('\n');
  const isRead = (name: string) => readers.includes(`[${name}`) || readers.includes(`attr(${name})`);
  expect([...given].filter((name) => !isRead(name))).toEqual([]);
});

test('every link and picture of a Markdown file leads somewhere', () => {
  const broken = files
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) => {
      const prose = read(path).replace(/^```.*?^```/gms, '');
      return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => ({ path, target })).filter((link) => !leadsSomewhere(link));
    });
  expect(broken).toEqual([]);
});

test('every file that CONTRIBUTING names is there', () => {
  const named = [...read('CONTRIBUTING.md').matchAll(/`((?:src|alerts|plugin|dashboard|test)\/[\w./]*)`/g)].map(([, path]) => path);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((path) => !path.includes('/X.ts') && !existsSync(join(ROOT, path)))).toEqual([]);
});

function leadsSomewhere({ path, target }: { path: string; target: string }): boolean {
  if (/^https?:/.test(target)) return true;
  const [to, anchor] = target.split('#');
  const file = to === '' ? path : join(dirname(path), to);
  if (!existsSync(join(ROOT, file))) return false;
  return anchor === undefined || anchorsOf(file).includes(anchor);
}

/** As GitHub makes them of headings. */
const anchorsOf = (path: string): string[] =>
  [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
