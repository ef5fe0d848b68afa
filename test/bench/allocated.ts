/** What the backend has really allocated, by buffer: `tf.memory().numBytes` counts every reference to one. cpu and wasm. */
import * as tf from '@tensorflow/tfjs';

interface Store {
  set(dataId: object, data: { values?: Float32Array; shape?: number[] }): void;
  delete(dataId: object): boolean;
}

export interface Allocated {
  readonly bytes: number;
  /** The most since `restart`. */
  readonly peak: number;
  restart(): void;
  /** Stops counting. */
  end(): void;
}

/** Counts what is allocated from now on; buffers of before count nothing, also when they are freed. */
export function countAllocated(): Allocated {
  const backend = tf.backend() as unknown as { data?: Store; dataIdMap?: Store };
  const store = (backend.data ?? backend.dataIdMap) as Store;
  const sizes = new Map<object, number>();
  let bytes = 0;
  let peak = 0;
  const free = (dataId: object) => {
    bytes -= sizes.get(dataId) ?? 0;
    sizes.delete(dataId);
  };
  const { set, delete: remove } = store;
  store.set = (dataId, data) => {
    free(dataId);
    const size = data.values?.byteLength ?? 4 * tf.util.sizeFromShape(data.shape ?? []);
    sizes.set(dataId, size);
    bytes += size;
    peak = Math.max(peak, bytes);
    set.call(store, dataId, data);
  };
  store.delete = (dataId) => {
    free(dataId);
    return remove.call(store, dataId);
  };
  return {
    get bytes() {
      return bytes;
    },
    get peak() {
      return peak;
    },
    restart: () => {
      peak = bytes;
    },
    end: () => Object.assign(store, { set, delete: remove }),
  };
}
