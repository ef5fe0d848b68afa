/** Starts the program that validates an upload (validateProgram.ts) and reads what it prints. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { FieldError } from '../fieldError.ts';

/** Our choice: the largest upload needs a fraction of it, a file made to stall SQLite would need for ever. */
const MAX_VALIDATION_MS = 120_000;

/** What the program prints, as JSON. */
export type Validation = { run: string } | { rule: string; value: unknown };

/**
 * Validates a file in a process of its own, so that one made to crash or to stall SQLite takes nothing with it, and a large one
 * stops no training.
 * @returns the name of its run
 * @throws FieldError with the rule that it breaks; the signal's reason where that is aborted
 */
export function runValidation(path: string, signal: AbortSignal): Promise<string> {
  const program = join(import.meta.dirname, 'validateProgram.js');
  const env = { ...process.env, NODE_OPTIONS: '' };
  const options = { signal, timeout: MAX_VALIDATION_MS, killSignal: 'SIGKILL', env, windowsHide: true, maxBuffer: 1 << 20 } as const;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, path], options, (error, output) => {
      if (signal.aborted) return reject(signal.reason as Error);
      if (error !== null) {
        const why = error.killed === true ? `took longer than ${MAX_VALIDATION_MS / 1000} s` : 'the check broke off';
        return reject(new FieldError('recording', 'must be a gainwatch recording that can be checked', why));
      }
      const found = JSON.parse(output) as Validation;
      if ('run' in found) resolve(found.run);
      else reject(new FieldError('recording', found.rule, found.value));
    });
  });
}
