/** Spreads the drawing of charts: each is a task of its own, so that many of them hold up nothing. */

const waiting = new Map<object, () => void>();
let asked = false;

function next(): void {
  const [first] = waiting;
  asked = waiting.size > 1;
  if (asked) setTimeout(next);
  if (first === undefined) return;
  waiting.delete(first[0]);
  first[1]();
}

/** Draws soon; a later `act` of the same chart takes the place of one that still waits. */
export function drawSoon(chart: object, act: () => void): void {
  waiting.set(chart, act);
  if (asked) return;
  asked = true;
  setTimeout(next);
}

export const drawNever = (chart: object): boolean => waiting.delete(chart);
