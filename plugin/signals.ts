/**
 * Ends a run cleanly on SIGINT and SIGTERM, and at the end of a process that forgot to. A handler keeps Node from dying at once and runs
 * only when the event loop turns: in a loop that never yields it would make Ctrl-C dead, so there it is taken off.
 */
export interface Signals {
  /** To be called once per step. */
  stepped(): void;
  dispose(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** @param end is awaited; afterwards the process goes the way it would have gone without us */
export function watchSignals(end: (how: 'interrupted' | 'completed') => Promise<void>): Signals {
  let turned = false;
  let installed = false;
  let immediate: NodeJS.Immediate | null = null;
  const onSignal = (signal: NodeJS.Signals) => {
    dispose();
    end('interrupted').finally(() => {
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  };
  const onBeforeExit = () => {
    dispose();
    void end('completed');
  };
  const install = (on: boolean) => {
    if (on === installed) return;
    installed = on;
    for (const signal of SIGNALS) {
      if (on) process.on(signal, onSignal);
      else process.off(signal, onSignal);
    }
  };
  const dispose = () => {
    install(false);
    process.off('beforeExit', onBeforeExit);
    if (immediate !== null) clearImmediate(immediate);
  };
  process.on('beforeExit', onBeforeExit);
  return {
    stepped: () => {
      install(turned);
      turned = false;
      if (immediate !== null) return;
      immediate = setImmediate(() => {
        immediate = null;
        turned = true;
      });
      immediate.unref();
    },
    dispose,
  };
}
