/** What the analyst and its thread say to one another. Types, and which arrays change hands. */
import type { StepReport } from '../../src/telemetry/report.ts';
import type { RunHeader, StepSample } from '../../src/telemetry/sample.ts';
import type { Part } from '../wire/part.ts';
import type { RunState } from '../wire/schema.ts';

/** What is asked, and what comes of it. */
export interface AnalystTasks {
  steps: { asked: { contentType: string; body: Uint8Array; now: number }; answer: Part[] };
  state: { asked: { body: Uint8Array }; answer: RunState };
  sample: { asked: { header: RunHeader; sample: StepSample }; answer: StepReport };
}
export type TaskName = keyof AnalystTasks;
export type AnalystRequest = { [T in TaskName]: { id: number; task: T } & AnalystTasks[T]['asked'] }[TaskName];

/** `refused`: the fields of a FieldError; `failed`: any other error, which is a fault of ours. */
export type AnalystReply = { id: number } & (
  | { answer: AnalystTasks[TaskName]['answer'] }
  | { refused: { field: string; rule: string; value: unknown; status: number } }
  | { failed: string }
);

/** The memory of the arrays of samples and reports, each once: after a message with them they are the receiver's alone. */
export function buffersOf(of: readonly (StepSample | StepReport)[]): ArrayBuffer[] {
  const arrays = of.flatMap((one) => [...Object.values(one), one.memory?.connections]).filter(ArrayBuffer.isView);
  return [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))];
}
