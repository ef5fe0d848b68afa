/** When to draw: signals that the panels read. Knows no run and no panel. */
import { signal } from '@preact/signals';

/** Between two redraws, ms: for steps that came, and for what was loaded or changed. */
const REDRAW_EVERY = 250;
const REDRAW_SOON = 40;

/** Rise when something is to be drawn again, at most four times a second, never in a hidden tab: the lines … */
export const tick = signal(0);
/** … the heatmap and the verdict … */
export const mapTick = signal(0);
/** … and what changes little with one step. */
export const restTick = signal(0);

/** Which part is drawn in a quarter of a second where only steps come: one after the other, so that none has much to do. */
const TURNS = [tick, mapTick, tick, restTick];
const waiting = new Set<(typeof TURNS)[number]>();
let turn = 0;
let all = false;
let timer = 0;
let drawnAt = Number.NEGATIVE_INFINITY;

function schedule(): void {
  if (document.hidden) return;
  window.clearTimeout(timer);
  const every = all ? REDRAW_SOON : REDRAW_EVERY;
  timer = window.setTimeout(drawNow, Math.max(0, every - (performance.now() - drawnAt)));
}

function drawNow(): void {
  drawnAt = performance.now();
  if (all) {
    all = false;
    waiting.clear();
    for (const part of new Set(TURNS)) part.value++;
    return;
  }
  for (let passed = 0; passed < TURNS.length; passed++) {
    const part = TURNS[turn++ % TURNS.length];
    if (!waiting.delete(part)) continue;
    part.value++;
    break;
  }
  if (waiting.size > 0) schedule();
}

/** Something was loaded, or has changed: all is drawn again, soon. */
export function redraw(): void {
  all = true;
  schedule();
}

/** A step came. */
export function redrawStep(): void {
  for (const part of TURNS) waiting.add(part);
  schedule();
}
