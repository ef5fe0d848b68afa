/** New warnings for readers of the screen: each once, none that was there when its run was loaded. Shows nothing. */
import { useEffect, useState } from 'preact/hooks';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import { runsShown } from '../model/view.ts';
import { tick } from '../state/redraw.ts';
import { dataOf } from '../state/store.ts';
import { view } from '../state/viewState.ts';
import './announcer.css';

/** Kept in the page, so that one is not gone before it is read out. Our choice. */
const MIN_KEPT = 3;

/** By run: ids of the warnings that are no news any more. */
const knownIds = new Map<string, Set<number>>();

/** Context (info) is no news by itself. */
function newWarnings(): WarningAnswer[] {
  return runsShown(view.peek()).flatMap((run) => {
    const known = dataOf(run);
    if (known === null) return [];
    const before = knownIds.get(run);
    const fresh = before === undefined ? [] : known.warnings.filter(({ id }) => !before.has(id));
    knownIds.set(run, new Set([...(before ?? []), ...known.warnings.map(({ id }) => id)]));
    return fresh.filter(({ severity }) => severity !== 'info');
  });
}

export function Announcer() {
  const [announced, setAnnounced] = useState<readonly WarningAnswer[]>([]);
  const round = tick.value;
  useEffect(() => {
    const fresh = newWarnings();
    if (fresh.length > 0) setAnnounced((before) => [...before, ...fresh].slice(-Math.max(MIN_KEPT, fresh.length)));
  }, [round]);
  const texts = (critical: boolean) =>
    announced
      .filter(({ severity }) => (severity === 'critical') === critical)
      .map(({ run, id, message }) => (
        <p key={`${run} ${id}`}>
          {critical ? 'Critical' : 'Warning'}: {message}
        </p>
      ));
  return (
    <>
      <div class="announcer" aria-live="polite">
        {texts(false)}
      </div>
      <div class="announcer" aria-live="assertive">
        {texts(true)}
      </div>
    </>
  );
}
