/** watch() as the tests call it, and what it recorded. */
import { type Monitor, type WatchOptions, watch } from 'gainwatch';
import { onTestFinished } from 'vitest';
import { recordingPath } from '../../plugin/recorder/directory.ts';
import { closeReader, openReader, type RecordedStep, readDetail, readSteps } from '../../plugin/recorder/read.ts';
import { readWarningRows } from '../../plugin/recorder/recordedWarnings.ts';
import type { RunDetail } from '../../src/telemetry/api.ts';
import type { Warning } from '../../src/telemetry/warning.ts';
import { temporaryFolder } from './folders.ts';

export interface Watched {
  monitor: Monitor;
  /** What the user would read. */
  lines: string[];
  /** Folder of the recordings. */
  runs: string;
}

/** A run `test` of 8 tokens, on a free port, in a folder of its own; closed at the end of the test. */
export async function startWatching(target: Parameters<typeof watch>[0], options: WatchOptions = {}): Promise<Watched> {
  const lines: string[] = [];
  const runs = options.runs ?? temporaryFolder();
  const monitor = await watch(target, { run: 'test', runs, port: 0, tokens: 8, log: (line) => lines.push(line), ...options });
  onTestFinished(() => monitor.close());
  return { monitor, lines, runs };
}

export interface Recorded {
  steps: RecordedStep[];
  detail: RunDetail | null;
  /** In the order in which they were raised. */
  warnings: Warning[];
}

/** What was recorded of a run. @throws where nothing was */
export function recorded(runs: string, run = 'test'): Recorded {
  const reader = openReader(recordingPath(runs, run));
  try {
    return {
      steps: [...readSteps(reader)],
      detail: readDetail(reader),
      warnings: [...readWarningRows(reader.db).keys()].map(({ warning }) => warning),
    };
  } finally {
    closeReader(reader);
  }
}
