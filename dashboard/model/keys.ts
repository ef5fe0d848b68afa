/** Which key does what, and when it is left to what has the focus. Pure: panels/helpDialog.tsx listens and acts. */

type Action = 'help' | 'filter' | 'log' | 'follow' | 'left' | 'right' | 'escape';

/** For the help, in its order. */
export const KEYS: readonly { keys: readonly string[]; does: string }[] = [
  { keys: ['?'], does: 'opens and closes this help' },
  { keys: ['/'], does: 'goes to the filter of connections: a regular expression' },
  { keys: ['y'], does: 'switches between a logarithmic and a linear axis' },
  { keys: ['f'], does: 'follows the newest step, or stays where it is' },
  { keys: ['←', '→'], does: 'move the cursor of all charts by one point' },
  { keys: ['Esc'], does: 'closes the dialog, else the cursor, else the open connection, else shows all steps again' },
];

const ACTIONS: Record<string, Action> = {
  '?': 'help',
  '/': 'filter',
  y: 'log',
  f: 'follow',
  ArrowLeft: 'left',
  ArrowRight: 'right',
  Escape: 'escape',
};

/** Of a KeyboardEvent. */
export type Pressed = Pick<
  KeyboardEvent,
  'key' | 'ctrlKey' | 'altKey' | 'metaKey' | 'shiftKey' | 'repeat' | 'isComposing' | 'defaultPrevented'
>;

/** What has the focus. */
export interface Focused {
  /** In small letters. */
  tag: string;
  /** Of an input. */
  type: string;
  role: string | null;
  editable: boolean;
  /** Can it be scrolled sideways? */
  scrolls: boolean;
}

/** Inputs that take no text. */
const NO_TEXT = ['button', 'checkbox', 'color', 'file', 'image', 'radio', 'range', 'reset', 'submit'];
const ARROW_TYPES = ['radio', 'range'];
/** Widgets that move by arrow keys (WAI-ARIA Authoring Practices). */
const ARROW_ROLES =
  'combobox grid gridcell listbox menuitem menuitemcheckbox menuitemradio option radio scrollbar separator slider spinbutton tab textbox tree treegrid treeitem'.split(
    ' ',
  );

const typing = ({ tag, type, editable }: Focused): boolean =>
  editable || tag === 'textarea' || tag === 'select' || (tag === 'input' && !NO_TEXT.includes(type));

const usesArrows = ({ tag, type, role, scrolls }: Focused): boolean =>
  scrolls || (tag === 'input' && ARROW_TYPES.includes(type)) || ARROW_ROLES.includes(role ?? '');

/** What a key does here; null: nothing, or it is left to what has the focus. `focused` is null where that is nothing in particular. */
export function actionOf(pressed: Pressed, focused: Focused | null): Action | null {
  const { key, repeat } = pressed;
  if (pressed.ctrlKey || pressed.altKey || pressed.metaKey || pressed.isComposing || pressed.defaultPrevented) return null;
  const action = Object.hasOwn(ACTIONS, key) ? ACTIONS[key] : null;
  const arrow = action === 'left' || action === 'right';
  if (action === null || (repeat && !arrow)) return null;
  // Shift is what some keyboards need for ? and /.
  if (pressed.shiftKey && action !== 'help' && action !== 'filter') return null;
  if (focused !== null && (typing(focused) || (arrow && usesArrows(focused)))) return null;
  return action;
}

const CLOSABLE = ['dialog', 'cursor', 'connection', 'zoom'] as const;

/** What Esc closes: the first there is. */
export const toClose = (there: Record<(typeof CLOSABLE)[number], boolean>) => CLOSABLE.find((what) => there[what]) ?? null;
