/** Reports a problem to the user once, however often it occurs. Counts nothing. */

/** @param key of the problem: only its first message is reported */
export type WarnOnce = (key: string, message: string) => void;

/**
 * A `WarnOnce` that knows of no problem yet.
 * @param onProblem gets the first message of each key
 * @param most keys; what comes after is not reported
 */
export function createWarnOnce(onProblem: (message: string) => void, most = Number.POSITIVE_INFINITY): WarnOnce {
  const warned = new Set<string>();
  return (key, message) => {
    if (warned.has(key) || warned.size >= most) return;
    warned.add(key);
    onProblem(message);
  };
}
