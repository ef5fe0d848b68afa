/** Timers that are let go of: the one that an object holds, and the one that ends the wait for a promise. */

/** Clears the timer that is held, if there is one. */
export function stopTimer(holder: { timer: NodeJS.Timeout | null }): void {
  if (holder.timer !== null) clearTimeout(holder.timer);
  holder.timer = null;
}

/** What the promise resolves with; `late` where that takes longer. @throws what the promise rejects with by then */
export function within<T>(promise: Promise<T>, milliseconds: number, late: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<T>((resolve) => {
    timer = setTimeout(resolve, milliseconds, late);
  });
  return Promise.race([promise, end]).finally(() => clearTimeout(timer));
}
