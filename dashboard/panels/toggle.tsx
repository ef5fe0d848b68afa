/** Buttons that are pressed or not, and a row of them. */
import type { ComponentChildren } from 'preact';

interface ToggleProps {
  pressed: boolean;
  title?: string;
  onPress(): void;
  children: ComponentChildren;
}

export const Toggle = ({ pressed, title, onPress, children }: ToggleProps) => (
  <button type="button" aria-pressed={pressed} title={title} onClick={onPress}>
    {children}
  </button>
);

interface ChoicesProps {
  /** For readers of the screen. */
  label: string;
  class?: string;
  children: ComponentChildren;
}

export const Choices = ({ label, class: name = '', children }: ChoicesProps) => (
  <fieldset class={`row choices ${name}`} aria-label={label}>
    {children}
  </fieldset>
);
