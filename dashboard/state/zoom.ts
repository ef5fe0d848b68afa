/** Changes which steps are shown: what zooming, panning, the follow switch and reset do to the view. Draws nothing. */
import { type Line, nearest, type XKind } from '../model/lines.ts';
import { dataOf } from './store.ts';
import { change, shownRange, view } from './viewState.ts';

/** The points that an axis goes by. */
export type Track = Pick<Line, 'steps' | 'times'>;

const lastStep = (): number | null => dataOf(view.value.run)?.detail.lastStep ?? null;

/** Shows these steps, given as ends of the axis; and stays there. */
export function zoomTo(track: Track, kind: XKind, min: number, max: number): void {
  const stepAt = (x: number) => (kind === 'step' ? x : (track.steps[nearest(track.times, x)] ?? 0));
  const last = lastStep() ?? Number.MAX_SAFE_INTEGER;
  const to = Math.max(1, Math.min(last, Math.ceil(stepAt(max))));
  const from = Math.max(0, Math.min(to - 1, Math.floor(stepAt(min))));
  change({ from, to, follow: false });
}

/** All steps, with the newest. */
export function resetZoom(): void {
  change({ from: null, to: null, follow: true });
}

/** On: the shown width moves with the newest step. Off: what is shown now stays. */
export function toggleFollow(): void {
  const { from, follow } = view.value;
  if (!follow) {
    change({ follow: true });
    return;
  }
  const last = lastStep();
  if (last === null) change({ follow: false });
  else change({ from: from === null ? 0 : shownRange(view.value, last).from, to: last, follow: false });
}
