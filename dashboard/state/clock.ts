/** The time of day for what ages on the page: a signal each second, still in a hidden tab. Knows no run. */
import { signal } from '@preact/signals';

/** Milliseconds since 1970. */
export const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1000);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) now.value = Date.now();
});
