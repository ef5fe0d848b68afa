/** Spreads the drawing of charts: the first is drawn at once, with what is written around it, each other in a task of its own. */

const waiting = new Map<object, () => void>();
let busy = false;

function next(): void {
  const [first] = waiting;
  busy = first !== undefined;
  if (first === undefined) return;
  setTimeout(next);
  waiting.delete(first[0]);
  first[1]();
}

/** A later `task` of the same chart takes the place of one that still waits. */
export function drawSoon(chart: object, task: () => void): void {
  if (busy) {
    waiting.set(chart, task);
    return;
  }
  busy = true;
  setTimeout(next);
  task();
}

/** What waits for a chart is dropped. */
export const drawNever = (chart: object): boolean => waiting.delete(chart);
