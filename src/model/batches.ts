/** Batches of bytes for next-byte training, drawn from a text in a seeded order. Reads no file. */
import { seededRandom } from './random.ts';

export interface Batch {
  /** [batch, context], byte values. */
  inputs: Int32Array;
  /** [batch, context]: at each position the byte that comes next. */
  targets: Int32Array;
}

/**
 * @returns a function that gives the next batch: windows that begin anywhere in the text, the same for the same seed
 * @throws RangeError where the text is shorter than one window
 */
export function createBatches(text: Uint8Array, batch: number, context: number, seed: number): () => Batch {
  if (text.length < context + 2) {
    throw new RangeError(`text must have at least ${context + 2} bytes for a context of ${context}, got ${text.length}`);
  }
  const random = seededRandom(seed);
  return () => {
    const inputs = new Int32Array(batch * context);
    const targets = new Int32Array(batch * context);
    for (let b = 0; b < batch; b++) {
      const at = Math.floor(random() * (text.length - context));
      inputs.set(text.subarray(at, at + context), b * context);
      targets.set(text.subarray(at + 1, at + 1 + context), b * context);
    }
    return { inputs, targets };
  };
}
