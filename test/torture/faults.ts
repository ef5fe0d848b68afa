/** What befalls the server: each fault begins, lasts, and is healed. A fault that the machine cannot make is left out, and counted. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultKind, FaultPlan } from './plan.ts';
import type { RecordingFile } from './recordingRows.ts';
import { asServer, endServer, type Server, spawnAsServer, spawnServe, startServer } from './server.ts';

export interface FaultState {
  readonly server: Server;
  readonly now: () => number;
  /** Recordings that are not in the folder any more. */
  readonly away: RecordingFile[];
  /** By kind: how often it befell the server, and how often it could not. */
  readonly done: Map<FaultKind, number>;
  readonly skipped: Map<FaultKind, number>;
  /** Second servers that ran. */
  secondServers: number;
  /** Kills, starts and second servers come one at a time. */
  busy: Promise<void>;
  readonly onEvent: (text: string) => void;
}

/** Stretches of time that a fault lasts: resolves when it is healed. Null: there is nothing to hit. */
type Fault = (state: FaultState, plan: FaultPlan) => Promise<void> | null;

/** Second time of a server that shall not run, ms. Our choice: what a start takes on a busy machine. */
const MAX_START_MS = 15_000;
const FEW_HANDLES_OVER = 2;
const MANY_HANDLES = 4096;

const BY_KIND: Record<FaultKind, Fault> = {
  kill: (state, { ms }) =>
    alone(state, async () => {
      await endServer(state.server, 'SIGKILL');
      await pause(ms);
      startServer(state.server);
    }),
  stop: ({ server }, { ms }) => {
    const { child } = server;
    if (child === null) return null;
    child.kill('SIGSTOP');
    return pause(ms).then(() => void child.kill('SIGCONT'));
  },
  'full disk': ({ server }, { at, ms }) => {
    const ballast = join(server.disk, `ballast-${at}`);
    fillDisk(ballast);
    return pause(ms).then(() => rmSync(ballast, { force: true }));
  },
  'read-only folder': ({ server }, { ms }) => {
    chmodSync(server.runs, 0o500);
    return pause(ms).then(() => chmodSync(server.runs, 0o700));
  },
  lock: ({ server }, { ms, pick }) => {
    const path = recordingAt(server, pick);
    return path === null ? null : holdLock(spawnAsServer(server, 'sqlite3', [path]), pick, ms);
  },
  clock: ({ server }, { pick }) => {
    // A day, an hour or a minute, forwards or back.
    const seconds = [86_400, 3600, 60][Math.floor(pick * 3)] * (pick * 1000 - Math.floor(pick * 1000) < 0.5 ? -1 : 1);
    writeFileSync(join(server.disk, 'clock'), `${seconds < 0 ? '' : '+'}${seconds}`);
    return Promise.resolve();
  },
  'file handles': ({ server }, { ms }) => {
    const { child } = server;
    if (child?.pid === undefined || !existsSync(`/proc/${child.pid}/fd`)) return null;
    const used = readdirSync(`/proc/${child.pid}/fd`).length;
    if (!limitHandles(server, child.pid, used + FEW_HANDLES_OVER)) return null;
    return pause(ms).then(() => void limitHandles(server, child.pid!, MANY_HANDLES));
  },
  'second server': (state) => alone(state, () => trySecond(state)),
  move: (state, { pick }) => takeAway(state, pick, 'moved'),
  delete: (state, { pick }) => takeAway(state, pick, 'deleted'),
};

/** While there is no server, or no recording. Our choice: a server starts again by then. */
const MAX_TRIES = 20;
const TRY_MS = 500;

/** Has the machine what the fault needs? */
function isPossible({ can }: Server, kind: FaultKind): boolean {
  switch (kind) {
    case 'full disk':
      return can.mount;
    case 'read-only folder':
      return can.nobody;
    case 'clock':
      return can.clock;
    case 'lock':
      return hasSqlite;
    case 'file handles':
      return hasLimits;
    default:
      return true;
  }
}

/** Resolves when the fault is healed, or cannot be. */
export async function befall(state: FaultState, plan: FaultPlan): Promise<void> {
  const { kind, ms } = plan;
  const count = (counts: Map<FaultKind, number>) => counts.set(kind, (counts.get(kind) ?? 0) + 1);
  if (!isPossible(state.server, kind)) {
    count(state.skipped);
    state.onEvent(`${kind}: LEFT OUT, this machine cannot`);
    return;
  }
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const healed = BY_KIND[kind](state, plan);
    if (healed !== null) {
      count(state.done);
      state.onEvent(`${kind}${ms > 0 ? ` for ${ms} ms` : ''}`);
      await healed;
      if (ms > 0) state.onEvent(`${kind}: over`);
      return;
    }
    await pause(TRY_MS);
  }
  state.onEvent(`${kind}: found nothing to hit`);
}

function alone(state: FaultState, act: () => Promise<void>): Promise<void> {
  state.busy = state.busy.then(act);
  return state.busy;
}

/** Until nothing fits any more. */
function fillDisk(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (let size = 2 ** 20; size >= 1; ) {
      try {
        writeSync(file, Buffer.alloc(size));
      } catch {
        size = Math.floor(size / 2);
      }
    }
  } finally {
    closeSync(file);
  }
}

const hasSqlite = spawnSync('sqlite3', ['-version']).status === 0;
const hasLimits = spawnSync('prlimit', ['--version']).status === 0;

/** Another process is in a transaction of its own, and goes, or is killed. */
async function holdLock(holder: ChildProcess, pick: number, ms: number): Promise<void> {
  const ended = new Promise((resolve) => holder.once('exit', resolve));
  holder.once('error', () => {});
  holder.stdin!.on('error', () => {});
  holder.stdin!.write(`.timeout 3000\nBEGIN ${pick < 0.5 ? 'IMMEDIATE' : 'EXCLUSIVE'};\n`);
  await pause(ms);
  if (pick * 10 - Math.floor(pick * 10) < 0.5) holder.kill('SIGKILL');
  else holder.stdin!.end('ROLLBACK;\n.quit\n');
  await ended;
}

/** As the server's own user: root without all its capabilities may not. */
function limitHandles(server: Server, pid: number, count: number): boolean {
  const [first, ...rest] = [...asServer(server), 'prlimit', '--pid', String(pid), `--nofile=${count}:`];
  return spawnSync(first, rest).status === 0;
}

/** A second server on the folder must end by itself, at once, while the first one is there. */
async function trySecond(state: FaultState): Promise<void> {
  const { server } = state;
  if (server.child === null || !server.listens) return;
  const first = server.child;
  let said = '';
  const second = spawnServe(server, 0, (line) => {
    said += `${line}\n`;
  });
  const ended = new Promise<number | null>((resolve) => second.once('exit', (code) => resolve(code)));
  const listens = async () => {
    while (second.exitCode === null && !/http:\/\/127\.0\.0\.1:\d+\//.test(said.replaceAll(server.url, ''))) await pause(50);
    return 'listens' as const;
  };
  const came = await Promise.race([ended, listens(), pause(MAX_START_MS, 'nothing' as const)]);
  if (came === 'listens' && second.exitCode === null && server.child === first) {
    state.secondServers++;
    state.onEvent('a second server runs on the folder');
  }
  second.kill('SIGKILL');
  await ended;
}

/** One of the recordings in the folder; null: there is none. */
function recordingAt({ runs }: Server, pick: number): string | null {
  const files = readdirSync(runs).filter((name) => name.endsWith('.sqlite'));
  return files.length === 0 ? null : join(runs, files[Math.floor(pick * files.length)]);
}

/** A recording goes, with what belongs to it, while it may be written. A deleted one is kept by links, so that it can be looked into. */
function takeAway(state: FaultState, pick: number, place: 'moved' | 'deleted'): Promise<void> | null {
  const { server, away, now } = state;
  const path = recordingAt(server, pick);
  if (path === null) return null;
  const folder = join(server.disk, place, String(away.length));
  mkdirSync(folder);
  const name = path.slice(server.runs.length + 1);
  for (const end of ['', '-wal', '-shm']) {
    if (!existsSync(path + end)) continue;
    try {
      if (place === 'moved') renameSync(path + end, join(folder, name + end));
      else linkSync(path + end, join(folder, name + end));
    } catch {
      // The server was quicker.
    }
  }
  if (place === 'deleted') for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
  away.push({ path: join(folder, name), place, ...(place === 'deleted' ? { deletedAt: now() } : {}) });
  state.onEvent(`${name} is ${place}`);
  return Promise.resolve();
}
