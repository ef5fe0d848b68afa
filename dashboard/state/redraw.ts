/** When to draw: signals that the panels read. Knows no run and no panel. */
import { signal } from '@preact/signals';

/** Between two redraws for what comes by itself. Our choice: more often is not read. */
const REDRAW_MS = 250;
/** The same for what was asked for: below what is felt as waiting, and yet several answers share one. */
const REDRAW_SOON_MS = 40;

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
/** Is everything to be drawn, not just the next turn? And at once? */
let all = false;
let soon = false;
let timer = 0;
let drawnAt = Number.NEGATIVE_INFINITY;

function schedule(): void {
  if (document.hidden) return;
  window.clearTimeout(timer);
  timer = window.setTimeout(drawNow, Math.max(0, (soon ? REDRAW_SOON_MS : REDRAW_MS) - (performance.now() - drawnAt)));
}

function drawNow(): void {
  if (document.hidden) return;
  drawnAt = performance.now();
  if (all) {
    all = false;
    soon = false;
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

/** Something was asked for and is there: all is drawn again, at once. */
export function redraw(): void {
  soon = true;
  redrawUnhurried();
}

/** Something came by itself: all is drawn again, but no more often than for steps. */
export function redrawUnhurried(): void {
  all = true;
  schedule();
}

/** A step came. */
export function redrawStep(): void {
  for (const part of TURNS) waiting.add(part);
  schedule();
}
