/**
 * The safetensors format: a length, a JSON header, the bytes of the tensors. Read with every length checked before it is believed;
 * written in float32. Knows nothing of steps.
 */
import { FieldError, shown } from '../fieldError.ts';

export interface WireTensor {
  shape: readonly number[];
  values: Float32Array;
}

export interface SafeTensors {
  metadata: Record<string, string>;
  tensors: Map<string, WireTensor>;
}

/** Bytes of a JSON header. */
const HEADER_AT_MOST = 4 * 2 ** 20;
const BYTES = { F64: 8, F32: 4, F16: 2, BF16: 2 } as const;
type DType = keyof typeof BYTES;

/** @throws FieldError where the bytes are no safetensors of F64, F32, F16 or BF16 */
export function readSafetensors(body: Buffer): SafeTensors {
  if (body.length < 8) throw new FieldError('body', 'must begin with the length of its header, 8 bytes', `${body.length} bytes`);
  const length = body.readBigUInt64LE(0);
  if (length > HEADER_AT_MOST || Number(length) > body.length - 8) {
    throw new FieldError('body', `must have a header of at most ${Math.min(HEADER_AT_MOST, body.length - 8)} bytes`, Number(length));
  }
  const data = body.subarray(8 + Number(length));
  const header = parseHeader(body.toString('utf8', 8, 8 + Number(length)));
  const metadata: Record<string, string> = {};
  const tensors = new Map<string, WireTensor>();
  let used = 0;
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      for (const [key, value] of Object.entries(asObject('__metadata__', entry))) {
        if (typeof value !== 'string') throw new FieldError(`__metadata__.${key}`, 'must be a string', shown(value));
        metadata[key] = value;
      }
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = asObject(name, entry);
    if (!isDType(dtype)) throw new FieldError(`${name}.dtype`, `must be one of ${Object.keys(BYTES).join(', ')}`, shown(dtype));
    if (!isCounts(shape)) throw new FieldError(`${name}.shape`, 'must be a list of whole numbers from 0', shown(shape));
    if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1] || offsets[1] > data.length) {
      throw new FieldError(`${name}.data_offsets`, `must be two rising places within the ${data.length} bytes`, shown(offsets));
    }
    const size = shape.reduce((product, side) => product * side, 1);
    const [from, to] = offsets;
    if (to - from !== size * BYTES[dtype]) {
      throw new FieldError(`${name}.data_offsets`, `must span ${size * BYTES[dtype]} bytes, as dtype and shape say`, to - from);
    }
    // Tensors that share bytes would let a small body become a large one.
    used += to - from;
    if (used > data.length)
      throw new FieldError(`${name}.data_offsets`, 'must not overlap those of another tensor', JSON.stringify(offsets));
    tensors.set(name, { shape, values: toFloat32(data.subarray(from, to), dtype, size) });
  }
  return { metadata, tensors };
}

function parseHeader(text: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw new FieldError('header', `must be JSON: ${(error as Error).message.slice(0, 100)}`, shown(text));
  }
  return asObject('header', header);
}

function asObject(field: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FieldError(field, 'must be an object', shown(value));
  return value as Record<string, unknown>;
}

const isDType = (value: unknown): value is DType => typeof value === 'string' && Object.hasOwn(BYTES, value);
const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length <= 8 && value.every((side) => Number.isSafeInteger(side) && side >= 0);

/** A view where the bytes lie as they should, else a copy. */
function toFloat32(bytes: Buffer, dtype: DType, size: number): Float32Array {
  if (dtype === 'F32') return new Float32Array(aligned(bytes), 0, size);
  if (dtype === 'F64') return Float32Array.from(new Float64Array(aligned(bytes), 0, size));
  const halves = new Uint16Array(aligned(bytes), 0, size);
  if (dtype === 'F16') return Float32Array.from(halves, fromHalf);
  const bits = new Uint32Array(size);
  for (let i = 0; i < size; i++) bits[i] = halves[i] << 16;
  return new Float32Array(bits.buffer);
}

const aligned = (bytes: Buffer): ArrayBuffer => {
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return copy;
};

/** IEEE 754 binary16. */
function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** One body in float32. The tensors' data lies in the order given. */
export function writeSafetensors({ metadata, tensors }: SafeTensors): Buffer {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const [name, { shape, values }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8;
  const body = Buffer.alloc(8 + padded + at, 0x20);
  body.writeBigUInt64LE(BigInt(padded));
  text.copy(body, 8);
  let place = 8 + padded;
  for (const { values } of tensors.values()) {
    body.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), place);
    place += values.byteLength;
  }
  return body;
}
