/**
 * A program: checks the file that is its argument and prints an UploadCheck. A process of its own, so that a file made to crash
 * or to stall SQLite takes nothing with it, and the check of a large one stops no training.
 */
import { FieldError } from '../fieldError.ts';
import { checkForeign } from '../recorder/foreign.ts';
import type { UploadCheck } from './upload.ts';

function check(path: string): UploadCheck {
  try {
    return { run: checkForeign(path) };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return { rule: error.rule, value: error.value };
  }
}

process.stdout.write(JSON.stringify(check(process.argv[2])));
