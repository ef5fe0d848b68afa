/** The strip of all runs: kind, state, step and composite gain of each; a click chooses one. */
import type { RunSummary } from '../src/telemetry/api.ts';
import { fromWire, shown } from './format.ts';

/** @param colours by run name, those of the overview */
export function drawStrip(
  list: HTMLElement,
  runs: readonly RunSummary[],
  chosen: string | null,
  colours: ReadonlyMap<string, string>,
  choose: (run: string) => void,
): void {
  const had = document.activeElement?.getAttribute('data-testid');
  list.replaceChildren(
    ...runs.map((run) => {
      const item = document.createElement('li');
      const button = item.appendChild(document.createElement('button'));
      button.type = 'button';
      button.dataset['testid'] = `run-${run.run}`;
      button.setAttribute('aria-current', String(run.run === chosen));
      button.addEventListener('click', () => choose(run.run));
      const part = (name: string, text: string) => {
        const span = button.appendChild(document.createElement('span'));
        span.className = name;
        span.textContent = text;
        return span;
      };
      const colour = colours.get(run.run);
      if (colour !== undefined) part('swatch', '').style.backgroundColor = colour;
      part('name', run.run);
      const gain = run.lastCompositeGain === null ? '' : `G ${shown(fromWire(run.lastCompositeGain), 3)}`;
      if (gain !== '') part('gain', gain);
      const state = run.live ? `step ${run.lastStep ?? 0}` : (run.outcome ?? 'elsewhere');
      part('state', `${run.kinds.join(' + ')} · ${state}`);
      return item;
    }),
  );
  if (had?.startsWith('run-')) list.querySelector<HTMLElement>(`[data-testid="${CSS.escape(had)}"]`)?.focus();
}
