/** Draws the sign of a level or severity. Without words: they stand beside it. */
import { SHAPES, type SignKind } from '../model/signs.ts';
import './sign.css';

/** Within 16 × 16 of a picture that is there. */
export const SignShape = ({ kind }: { kind: SignKind }) => (
  <>
    <path d={SHAPES[kind].outline} />
    <path class="sign-mark" d={SHAPES[kind].mark} />
  </>
);

export const Sign = ({ kind }: { kind: SignKind }) => (
  <svg class={`sign is-${kind}`} viewBox="0 0 16 16" aria-hidden="true">
    <SignShape kind={kind} />
  </svg>
);
