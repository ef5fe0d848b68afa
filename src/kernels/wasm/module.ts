/**
 * The AssemblyScript module on the memory of TF.js's wasm backend: its functions take addresses of tensors there, so nothing
 * is copied. Knows no operation; each says what it calls. Works in a browser as in Node.
 */
import type * as tf from '@tensorflow/tfjs';
import { BINARY } from './binary.ts';
import type { Functions } from './functions.ts';

/** What we use of the wasm backend beyond the public KernelBackend. */
export interface WasmBackend {
  wasm: {
    asm: { memory: Memory };
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  dataIdMap: { get(dataId: object): { memoryOffset: number } };
  incRef(dataId: object): void;
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  typedArrayFromHeap(tensor: tf.TensorInfo): Float32Array | Int32Array;
}

type Memory = { buffer: ArrayBufferLike };

/** src is compiled without the DOM's types, which is where these are declared. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { env: { memory: Memory } }) => { exports: unknown };
};
declare const atob: (base64: string) => string;

const bytes = () => Uint8Array.from(atob(BINARY), (c) => c.charCodeAt(0));

/** By backend: also where its scratch begins, and how long it is. */
const loaded = new WeakMap<object, { functions: Functions; scratch: number; scratchBytes: number }>();

/** The module on this backend's memory, made at the first call. */
function load(backend: WasmBackend) {
  const known = loaded.get(backend);
  if (known !== undefined) return known;
  const module = new WebAssembly.Module(bytes());
  const { exports } = new WebAssembly.Instance(module, { env: { memory: backend.wasm.asm.memory } });
  const entry = { functions: exports as Functions, scratch: 0, scratchBytes: 0 };
  loaded.set(backend, entry);
  return entry;
}

/** @param backend the one that a kernel was called with */
export function wasmFunctions(backend: unknown): Functions {
  return load(backend as WasmBackend).functions;
}

/** Where a tensor's values begin on the heap. It stays there when the heap grows (only views of the heap do not). */
export function pointer(backend: unknown, tensor: tf.TensorInfo): number {
  return (backend as WasmBackend).dataIdMap.get(tensor.dataId).memoryOffset;
}

/** A tensor of unspecified content, without a step of the tape. */
export function makeOutput(backend: unknown, shape: number[], dtype: tf.DataType = 'float32'): tf.TensorInfo {
  return (backend as WasmBackend).makeOutput(shape, dtype);
}

/**
 * Memory for one kernel's run, shared by all of them: the next call may give the same place, or free it.
 * @returns its address, aligned to 16
 */
export function scratch(backend: unknown, bytes: number): number {
  const entry = load(backend as WasmBackend);
  if (bytes > entry.scratchBytes) {
    const { wasm } = backend as WasmBackend;
    if (entry.scratchBytes > 0) wasm._free(entry.scratch);
    entry.scratch = wasm._malloc(bytes) >>> 0; // 16 is what malloc aligns to; above 2 GiB it answers with a negative number
    entry.scratchBytes = bytes;
  }
  return entry.scratch;
}

/**
 * Can the module run on this backend? Not where there is no SIMD, and not where threads share the memory (a browser under
 * cross-origin isolation): a module must say at its build whether it takes shared memory.
 */
export function canLoad(backend: object): boolean {
  const { memory } = (backend as WasmBackend).wasm.asm;
  return memory.buffer instanceof ArrayBuffer && WebAssembly.validate(bytes());
}
