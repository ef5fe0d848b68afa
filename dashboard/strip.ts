/** The strip of all runs: kind, state, step and composite gain of each; a click chooses one. */
import type { RunSummary } from '../src/telemetry/api.ts';
import { fromWire, shown } from './format.ts';

export interface Strip {
  /** @param colours by run name, those of the overview */
  draw(runs: readonly RunSummary[], chosen: string | null, colours: ReadonlyMap<string, string>): void;
}

interface Item {
  element: HTMLLIElement;
  button: HTMLButtonElement;
  parts: Record<'swatch' | 'name' | 'gain' | 'state', HTMLSpanElement>;
}

/** Elements are kept and changed in place: one that is exchanged between press and release loses the click. */
export function createStrip(list: HTMLElement, choose: (run: string) => void): Strip {
  const items = new Map<string, Item>();
  let chosenBefore: string | null = null;
  return {
    draw: (runs, chosen, colours) => {
      for (const run of runs) {
        const item = items.get(run.run) ?? createItem(run.run, choose);
        items.set(run.run, item);
        const { button, parts } = item;
        button.setAttribute('aria-current', String(run.run === chosen));
        parts.swatch.style.backgroundColor = colours.get(run.run) ?? 'transparent';
        write(parts.name, run.run);
        write(parts.gain, run.lastCompositeGain === null ? '' : `G ${shown(fromWire(run.lastCompositeGain), 3)}`);
        const state = run.live ? `step ${run.lastStep ?? 0}` : (run.outcome ?? 'elsewhere');
        write(parts.state, `${run.kinds.join(' + ')} · ${state}`);
      }
      runs.forEach((run, i) => {
        const { element } = items.get(run.run)!;
        if (list.children[i] !== element) list.insertBefore(element, list.children[i] ?? null);
      });
      if (chosen !== chosenBefore && chosen !== null) items.get(chosen)?.element.scrollIntoView({ inline: 'nearest', block: 'nearest' });
      chosenBefore = chosen;
    },
  };
}

function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function createItem(run: string, choose: (run: string) => void): Item {
  const element = document.createElement('li');
  const button = element.appendChild(document.createElement('button'));
  button.type = 'button';
  button.dataset['testid'] = `run-${run}`;
  button.addEventListener('click', () => choose(run));
  const part = (name: string) => {
    const span = button.appendChild(document.createElement('span'));
    span.className = name;
    return span;
  };
  return { element, button, parts: { swatch: part('swatch'), name: part('name'), gain: part('gain'), state: part('state') } };
}
