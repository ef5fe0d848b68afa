/** Says new warnings to those who listen to the page: each once, none that was there when its run was loaded. Shows nothing. */
import { useEffect, useState } from 'preact/hooks';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import { tick } from '../state/redraw.ts';
import { dataOf } from '../state/store.ts';
import { view } from '../state/viewState.ts';
import './announcer.css';

/** Kept in the page, so that one is not gone before it is read out. */
const KEPT = 3;

/** By run: ids that were there, or are said. */
const heard = new Map<string, Set<number>>();

/** Context (info) is no news by itself. */
function news(): WarningAnswer[] {
  const { run, compare } = view.peek();
  return [...new Set([run, ...compare])].flatMap((name) => {
    const known = dataOf(name);
    if (name === null || known === null) return [];
    const before = heard.get(name);
    const fresh = before === undefined ? [] : known.warnings.filter(({ id }) => !before.has(id));
    heard.set(name, new Set([...(before ?? []), ...known.warnings.map(({ id }) => id)]));
    return fresh.filter(({ severity }) => severity !== 'info');
  });
}

export function Announcer() {
  const [said, setSaid] = useState<readonly WarningAnswer[]>([]);
  const round = tick.value;
  useEffect(() => {
    const fresh = news();
    if (fresh.length > 0) setSaid((before) => [...before, ...fresh].slice(-Math.max(KEPT, fresh.length)));
  }, [round]);
  const texts = (critical: boolean) =>
    said
      .filter(({ severity }) => (severity === 'critical') === critical)
      .map(({ run, id, message }) => (
        <p key={`${run} ${id}`}>
          {critical ? 'Critical' : 'Warning'}: {message}
        </p>
      ));
  return (
    <>
      <div class="announcer" aria-live="polite" data-testid="announcer">
        {texts(false)}
      </div>
      <div class="announcer" aria-live="assertive" data-testid="announcer-critical">
        {texts(true)}
      </div>
    </>
  );
}
