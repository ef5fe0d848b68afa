import { expect, test } from 'vitest';
import { actionOf, type Focused, type Pressed, toClose } from '../../dashboard/model/keys.ts';

const press = (key: string, change: Partial<Pressed> = {}) => ({ key, ...change }) as Pressed;
const focus = (change: Partial<Focused> = {}): Focused => ({
  tag: 'div',
  type: '',
  role: null,
  editable: false,
  scrolls: false,
  ...change,
});

const KEYS = { '?': 'help', '/': 'filter', y: 'log', f: 'follow', ArrowLeft: 'left', ArrowRight: 'right', Escape: 'escape' };

test('each key has its action, others have none', () => {
  for (const [key, action] of Object.entries(KEYS)) {
    expect(actionOf(press(key), null)).toBe(action);
    expect(actionOf(press(key), focus({ tag: 'button' }))).toBe(action);
  }
  for (const key of ['a', 'Enter', ' ', 'ArrowUp', 'constructor']) expect(actionOf(press(key), null)).toBeNull();
});

test('nothing happens while typing', () => {
  const inputs = ['text', 'search', 'number'].map((type) => ({ tag: 'input', type }));
  for (const place of [{ tag: 'textarea' }, { tag: 'select' }, { editable: true }, ...inputs])
    for (const key of Object.keys(KEYS)) expect(actionOf(press(key), focus(place))).toBeNull();
});

test('nothing happens with a modifier, but for the Shift that ? and / need', () => {
  for (const key of Object.keys(KEYS)) {
    for (const modifier of ['ctrlKey', 'altKey', 'metaKey', 'isComposing', 'defaultPrevented'] as const)
      expect(actionOf(press(key, { [modifier]: true }), null)).toBeNull();
    expect(actionOf(press(key, { shiftKey: true }), null)).toBe(key === '?' || key === '/' ? KEYS[key] : null);
  }
});

test('a key that is held down only moves the cursor', () => {
  expect(actionOf(press('ArrowLeft', { repeat: true }), null)).toBe('left');
  for (const key of ['?', 'y', 'f', 'Escape']) expect(actionOf(press(key, { repeat: true }), null)).toBeNull();
});

test('arrows are left to what uses them, letters are not', () => {
  const places = [{ tag: 'input', type: 'range' }, { tag: 'input', type: 'radio' }, { role: 'slider' }, { role: 'tab' }, { scrolls: true }];
  for (const place of places) {
    expect(actionOf(press('ArrowLeft'), focus(place))).toBeNull();
    expect(actionOf(press('y'), focus(place))).toBe('log');
  }
  expect(actionOf(press('ArrowLeft'), focus({ tag: 'input', type: 'checkbox' }))).toBe('left');
});

test('Esc closes the first there is', () => {
  const all = { dialog: true, cursor: true, connection: true, zoom: true };
  for (const what of ['dialog', 'cursor', 'connection', 'zoom'] as const) {
    expect(toClose(all)).toBe(what);
    all[what] = false;
  }
  expect(toClose(all)).toBeNull();
});
