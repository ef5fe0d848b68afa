/** The sign of each level and severity: a shape and a mark, so that colour is never alone. Plain data; panels/sign.tsx draws it. */
import type { Severity } from '../../src/telemetry/warning.ts';
import type { Level } from './verdict.ts';

export type SignKind = Level | 'info';

export interface Shape {
  /** Within 16 × 16. */
  outline: string;
  mark: string;
  /** In text, where no picture can be. */
  letter: string;
  /** In the tab, on light and on dark. */
  colour: string;
}

const CIRCLE = 'M8 .5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15z';

export const SHAPES: Record<SignKind, Shape> = {
  healthy: { outline: CIRCLE, mark: 'M4.5 8.3 7 10.8 11.5 5.5', letter: '●', colour: '#1f9d55' },
  watch: { outline: 'M8 .5 16 15H0z', mark: 'M8 5.5V10M8 12.2v.4', letter: '▲', colour: '#d98e04' },
  act: { outline: 'M4.9.5h6.2l4.4 4.4v6.2l-4.4 4.4H4.9L.5 11.1V4.9z', mark: 'M8 3.8v5M8 11.6v.5', letter: '■', colour: '#d7263d' },
  unknown: { outline: CIRCLE, mark: 'M6 6.3a2 2 0 1 1 3.1 1.6C8.3 8.4 8 8.8 8 9.6M8 12v.4', letter: '○', colour: '#7a8592' },
  info: { outline: 'M8 0l8 8-8 8-8-8z', mark: 'M8 7.2v4M8 4.4v.4', letter: '◆', colour: '#2b84c4' },
};

/** A warning has the sign of the level that it brings about. */
export const signOf = (severity: Severity): SignKind => (severity === 'critical' ? 'act' : severity === 'warning' ? 'watch' : 'info');

/** The picture of the tab, as an address. */
export function iconOf(kind: SignKind): string {
  const { outline, mark, colour } = SHAPES[kind];
  const drawn = `<path d="${outline}" fill="${colour}"/><path d="${mark}" fill="none" stroke="#fff" stroke-width="1.8" stroke-linecap="round"/>`;
  return `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${drawn}</svg>`)}`;
}
