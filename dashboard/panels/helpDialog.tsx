/** The keys of the page, and the dialog that lists them. Which key does what is keys.ts. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { actionOf, type Focused, KEYS, toClose } from '../model/keys.ts';
import { clearCursor, cursor, moveCursor } from '../state/cursor.ts';
import { change, view } from '../state/viewState.ts';
import { resetZoom, toggleFollow } from '../state/zoom.ts';
import './helpDialog.css';

const DIALOG = 'help-dialog';
const LETTERS = 'gainwatch-letters';
/** Kept in the browser, not in the address: it is a matter of who looks. */
const letters = signal(localStorage.getItem(LETTERS) !== 'off');

function toggleHelp(): void {
  const dialog = document.getElementById(DIALOG);
  if (!(dialog instanceof HTMLDialogElement)) return;
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

function focusedNow(): Focused | null {
  const element = document.activeElement;
  if (!(element instanceof HTMLElement) || element === document.body) return null;
  const type = element instanceof HTMLInputElement ? element.type : '';
  const { overflowX } = getComputedStyle(element);
  const scrolls = element.scrollWidth > element.clientWidth && (overflowX === 'auto' || overflowX === 'scroll');
  return { tag: element.localName, type, role: element.getAttribute('role'), editable: element.isContentEditable, scrolls };
}

function focusFilter(): boolean {
  const input = document.querySelector<HTMLInputElement>('#filter');
  input?.focus();
  input?.select();
  return input !== null;
}

/** @returns was there anything to close that the browser does not close itself? */
function closeFirst(dialog: boolean): boolean {
  const { open, from, to, follow } = view.value;
  const zoom = from !== null || to !== null || !follow;
  const what = toClose({ dialog, cursor: cursor.value !== null, connection: open !== null, zoom });
  if (what === 'cursor') clearCursor();
  else if (what === 'connection') change({ open: null });
  else if (what === 'zoom') resetZoom();
  return what !== null && what !== 'dialog';
}

function onKey(event: KeyboardEvent): void {
  const action = actionOf(event, focusedNow());
  const dialog = document.querySelector('dialog[open]');
  if (action === null || (dialog !== null && action !== 'escape' && !(action === 'help' && dialog.id === DIALOG))) return;
  if (!letters.value && action !== 'escape' && action !== 'left' && action !== 'right') return;
  let done = true;
  if (action === 'help') toggleHelp();
  else if (action === 'filter') done = focusFilter();
  else if (action === 'log') change({ log: !view.value.log });
  else if (action === 'follow') toggleFollow();
  else if (action === 'left') moveCursor(-1);
  else if (action === 'right') moveCursor(1);
  else done = closeFirst(dialog !== null);
  if (done) event.preventDefault();
}

export function HelpButton() {
  return (
    <button type="button" aria-haspopup="dialog" title="Keys" onClick={toggleHelp}>
      Keys <kbd>?</kbd>
    </button>
  );
}

/** Focus goes into the dialog and back by the browser. */
export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  return (
    <dialog ref={dialog} id={DIALOG} class="dialog" aria-labelledby="t-help">
      <h2 id="t-help">Keys</h2>
      <dl class="help-keys">
        {KEYS.map(({ keys, does }) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p>They rest while you type, and where the arrows have another use.</p>
      <label>
        <input
          type="checkbox"
          checked={letters.value}
          onChange={({ currentTarget }) => {
            letters.value = currentTarget.checked;
            localStorage.setItem(LETTERS, currentTarget.checked ? 'on' : 'off');
          }}
        />{' '}
        keys of one sign (off, if you speak to your computer)
      </label>
      <button type="button" onClick={() => dialog.current?.close()}>
        Close
      </button>
    </dialog>
  );
}
