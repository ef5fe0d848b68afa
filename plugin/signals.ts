/**
 * Ends the runs of this process cleanly on SIGINT and SIGTERM, and where a process ends that forgot to. A handler keeps
 * Node from dying at once and runs only when the event loop turns: in a loop that never yields it would make Ctrl-C dead,
 * so it is on only while steps are seen to yield. One handler for all runs, so that none dies while another is written.
 */
export interface Signals {
  /** To be called once per step. */
  stepped(): void;
  dispose(): void;
}

type End = (how: 'interrupted' | 'completed') => Promise<void>;

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const ends = new Set<End>();
let installed = false;
/** A signal is being answered: no handler comes back until that is done. */
let ending = false;
let turned = false;
let immediate: NodeJS.Immediate | null = null;

function install(on: boolean): void {
  if (on === installed) return;
  installed = on;
  for (const signal of SIGNALS) process[on ? 'on' : 'off'](signal, onSignal);
}

/** Ends every run; afterwards the process goes the way it would have gone without us. A second signal does so at once. */
function onSignal(signal: NodeJS.Signals): void {
  ending = true;
  install(false);
  Promise.allSettled([...ends].map((end) => end('interrupted'))).then(() => {
    ending = false;
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  });
}

function onBeforeExit(): void {
  for (const end of ends) void end('completed');
}

function stepped(): void {
  if (!ending) install(turned);
  turned = false;
  if (immediate !== null) return;
  immediate = setImmediate(() => {
    immediate = null;
    turned = true;
  });
  immediate.unref();
}

/** @param end is awaited; may be called more than once */
export function watchSignals(end: End): Signals {
  if (ends.size === 0) process.on('beforeExit', onBeforeExit);
  ends.add(end);
  return {
    stepped,
    dispose: () => {
      ends.delete(end);
      if (ends.size > 0) return;
      install(false);
      process.off('beforeExit', onBeforeExit);
    },
  };
}
