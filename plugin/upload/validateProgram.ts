/** A program: validates the file that is its argument and prints a Validation (runValidation.ts starts it). */
import { FieldError } from '../fieldError.ts';
import type { Validation } from './runValidation.ts';
import { validateRecording } from './validateRecording.ts';

function validate(path: string): Validation {
  try {
    return { run: validateRecording(path) };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return { rule: error.rule, value: error.value };
  }
}

process.stdout.write(JSON.stringify(validate(process.argv[2])));
