/** Puts a method of one object in place of its own, and back. */

/**
 * @param wrap makes the new method from the one that was there
 * @returns puts the old one back, unless someone has put another in place since: theirs is left alone
 */
export function overrideMethod<K extends string, T extends { [key in K]: (...args: never[]) => unknown }>(
  target: T,
  name: K,
  wrap: (original: T[K]) => T[K],
): () => void {
  const described = Object.getOwnPropertyDescriptor(target, name);
  const replacement = wrap(target[name]);
  target[name] = replacement;
  return () => {
    if (target[name] !== replacement) return;
    if (described === undefined) Reflect.deleteProperty(target, name);
    else Object.defineProperty(target, name, described);
  };
}
