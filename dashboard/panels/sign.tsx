/** Draws the sign of a level or severity. Says nothing: the word stands beside it. */
import { SHAPES, type SignKind } from '../model/signs.ts';
import './sign.css';

export function Sign({ kind }: { kind: SignKind }) {
  const { outline, mark } = SHAPES[kind];
  return (
    <svg class={`sign sign-${kind}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={outline} />
      <path class="sign-mark" d={mark} />
    </svg>
  );
}
