/** The one cursor of all charts: the step under the pointer, or where the arrow keys went. Draws nothing. */
import { signal } from '@preact/signals';
import { nearest } from '../model/lines.ts';

/** null: none. */
export const cursor = signal<number | null>(null);

/** The steps that each chart shows. */
const offered = new Map<string, readonly number[]>();

/** What a chart shows, for the arrow keys. */
export function offerSteps(chart: string, steps: readonly number[]): void {
  offered.set(chart, steps);
}

/** The chart is gone. */
export function withdrawSteps(chart: string): void {
  offered.delete(chart);
}

/** From all charts. */
export function clearCursor(): void {
  cursor.value = null;
}

/** By so many points, within what is shown; from nowhere to the newest. */
export function moveCursor(delta: number): void {
  let steps: readonly number[] = [];
  for (const each of offered.values()) if (each.length > steps.length) steps = each;
  if (steps.length === 0) return;
  const last = steps.length - 1;
  const at = cursor.value === null ? last : nearest(steps, cursor.value) + delta;
  cursor.value = steps[Math.min(last, Math.max(0, at))];
}
