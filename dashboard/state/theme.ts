/** The colours of the style sheet for what is drawn by hand, and which run has which. Draws nothing. */
import { runColour } from '../model/colours.ts';
import { redraw } from './redraw.ts';

export interface Theme {
  ink: string;
  soft: string;
  line: string;
  /** Behind a chart. */
  panel: string;
  dark: boolean;
}

const scheme = matchMedia('(prefers-color-scheme: dark)');

/** Kept: to ask the style sheet takes longer than to draw a chart. */
let known: Theme | null = null;
scheme.addEventListener('change', () => {
  known = null;
  redraw();
});

/** As the page looks now. */
export function currentTheme(): Theme {
  if (known === null) {
    const style = getComputedStyle(document.documentElement);
    const of = (name: string) => style.getPropertyValue(name).trim();
    known = { ink: of('--ink'), soft: of('--soft'), line: of('--line'), panel: of('--panel'), dark: scheme.matches };
  }
  return known;
}

/** The runs that were shown since the page was opened. */
const seen: string[] = [];

/** Of a run among those shown together: first come, first served, so that it keeps its colour whatever is shown beside it. */
export function colourOfRun(run: string, together: readonly string[]): string {
  for (const name of [...together, run]) if (!seen.includes(name)) seen.push(name);
  return runColour(seen.indexOf(run));
}
