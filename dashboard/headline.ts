/** The numbers of the newest step, and the banner that says when they are old. */
import { duration, fromWire, shown } from './format.ts';
import type { History } from './history.ts';

/** Index of the largest finite value, or of the first that is not finite: that one is worse. */
function worst(values: number[]): number {
  const broken = values.findIndex((v) => !Number.isFinite(v));
  return broken >= 0 ? broken : values.indexOf(Math.max(...values));
}

export function drawHeadline(list: HTMLElement, { detail, latest }: History): void {
  const rows: [string, string, string][] = [];
  if (latest !== null) {
    const of = (key: 'forwardGain' | 'rowDeviation' | 'columnDeviation') => latest.measures[key].map(fromWire);
    const gains = of('forwardGain');
    const strongest = worst(gains);
    const deviation = Math.max(...of('rowDeviation'), ...of('columnDeviation'));
    rows.push(
      ['step', 'headline-step', String(latest.step)],
      ['loss', 'headline-loss', latest.loss === null ? '–' : shown(fromWire(latest.loss))],
      ['composite gain G', 'headline-gain', shown(fromWire(latest.compositeGain))],
      ['largest G so far', 'headline-max', detail.maxCompositeGain === null ? '–' : shown(fromWire(detail.maxCompositeGain))],
      ['strongest connection', 'headline-worst', `${detail.connections[strongest].name} × ${shown(gains[strongest], 3)}`],
      ['worst deviation', 'headline-deviation', shown(deviation, 3)],
      ['time per step', 'headline-time', `${shown(latest.stepSeconds * 1000, 3)} ms`],
      ['cost of watching', 'headline-overhead', share(latest)],
    );
  }
  list.replaceChildren(
    ...rows.map(([label, id, value]) => {
      const group = document.createElement('div');
      if (id === 'headline-worst') group.className = 'long';
      group.appendChild(document.createElement('dt')).textContent = label;
      const dd = group.appendChild(document.createElement('dd'));
      dd.textContent = value;
      dd.title = value;
      dd.dataset['testid'] = id;
      return group;
    }),
  );
}

/** Of the training thread's time, per step on average. */
function share({ monitor, step, stepSeconds }: NonNullable<History['latest']>): string {
  return `${shown((100 * monitor.overheadSeconds) / (step * stepSeconds), 2)} %`;
}

export interface Silence {
  connected: boolean;
  /** The chosen run goes on. */
  live: boolean;
  secondsSinceStep: number;
  stepSeconds: number;
}

/** What the reader must know before trusting the numbers; null: nothing. */
export function bannerText({ connected, live, secondsSinceStep, stepSeconds }: Silence): string | null {
  if (!connected) return 'The connection to gainwatch is lost; trying again. What you see is the last state.';
  if (live && secondsSinceStep > Math.max(10, 5 * stepSeconds)) return `No step for ${duration(secondsSinceStep)}.`;
  return null;
}
