/** Calls the user's onWarning. */
import { isPromise } from './isPromise.ts';
import type { MonitorState } from './monitorState.ts';

/** Gives what is pending to onWarning, oldest first. What it throws, or its promise rejects with, is reported once. */
export function emitWarnings(state: MonitorState): void {
  const { run, onWarning } = state.settings;
  for (const warning of state.pendingWarnings.splice(0)) {
    const onFailure = (error: unknown) =>
      state.warnOnce(
        'onWarning',
        `run ${run}: onWarning failed at ${warning.rule}: ${error instanceof Error ? error.message : String(error)}`,
      );
    try {
      const result: unknown = onWarning?.(warning);
      if (isPromise(result)) result.then(undefined, onFailure); // an unhandled rejection would end the process
    } catch (error) {
      onFailure(error);
    }
  }
}
