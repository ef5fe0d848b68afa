/** The view that is shown, and the address with it. What a view is: view.ts. Loads nothing, draws nothing. */
import { signal } from '@preact/signals';
import { readView, type View, writeView } from '../model/view.ts';
import type { Range } from './requests.ts';

export const view = signal<View>(readView(location.hash));

/** Before the address follows: browsers refuse one that changes too often (Safari: 100 times in 30 s), as a slider would. */
const ADDRESS_MS = 100;
let addressTimer = 0;

/** Changes the view, and soon the address; `redraw` follows by itself. */
export function change(patch: Partial<View>): void {
  view.value = { ...view.value, ...patch };
  window.clearTimeout(addressTimer);
  addressTimer = window.setTimeout(writeAddress, ADDRESS_MS);
}

/** Writes it at once, and gives the whole address of what is shown. */
export function writeAddress(): string {
  history.replaceState(null, '', `#${writeView(view.value)}`);
  return location.href;
}

/** The steps that are shown. Where the newest is followed, the right end is open. */
export function shownRange({ from, to, follow }: View, lastStep: number | null): Range {
  if (from === null) return { from: null, to: null };
  if (follow && lastStep !== null) return { from: Math.max(0, lastStep - ((to ?? lastStep) - from)), to: null };
  return { from, to };
}

/** Makes it the run that all panels are about. */
export function choose(run: string): void {
  const { compare } = view.value;
  change({ run, compare: compare.filter((other) => other !== run), open: null, warning: null, from: null, to: null, follow: true });
}
