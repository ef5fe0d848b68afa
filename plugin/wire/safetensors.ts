/**
 * The safetensors format: a length, a JSON header, the bytes of the tensors. Read with every length checked before it is believed, and with
 * the format's own rule that tensors follow one another and cover the data; written in float32. Knows nothing of steps.
 */
import { FieldError, shown } from '../fieldError.ts';
import { parseJson } from './json.ts';

/** A tensor in row-major order. */
export interface WireTensor {
  shape: readonly number[];
  values: Float32Array;
}

export interface SafeTensors {
  metadata: Record<string, string>;
  /** By name. */
  tensors: Map<string, WireTensor>;
}

/** Of the JSON header. Our choice: a quarter of the largest body that the server takes. */
const MAX_HEADER_BYTES = 4 * 2 ** 20;
/** Our choice: [layers, tokens, n, n] has four. */
const MAX_DIMENSIONS = 8;
const BYTES = { F64: 8, F32: 4, F16: 2, BF16: 2 } as const;
type DType = keyof typeof BYTES;

/** An entry of the header that was checked by itself: `from` to `to` are the bytes of the data that it covers. */
interface TensorEntry {
  name: string;
  dtype: DType;
  shape: number[];
  from: number;
  to: number;
}

/** @throws FieldError where the bytes are no safetensors of F64, F32, F16 or BF16, naming the tensor and the rule */
export function readSafetensors(body: Buffer): SafeTensors {
  if (body.length < 8) throw new FieldError('body', 'must begin with the length of its header, 8 bytes', `${body.length} bytes`);
  const length = body.readBigUInt64LE(0);
  if (length > MAX_HEADER_BYTES || Number(length) > body.length - 8) {
    throw new FieldError('body', `must have a header of at most ${Math.min(MAX_HEADER_BYTES, body.length - 8)} bytes`, Number(length));
  }
  const { __metadata__: metadata = {}, ...header } = parseHeader(body.subarray(8, 8 + Number(length)));
  const data = body.subarray(8 + Number(length));
  const entries = Object.entries(header).map(([name, entry]) => readEntry(name, entry, data.length));
  checkCover(entries, data.length);
  const read = ({ dtype, shape, from, to }: TensorEntry) => ({ shape, values: toFloat32(data.subarray(from, to), dtype) });
  return { metadata: readMetadata(metadata), tensors: new Map(entries.map((entry) => [entry.name, read(entry)])) };
}

/** The format's own reader refuses white space before it, too. */
function parseHeader(text: Buffer): Record<string, unknown> {
  if (text[0] !== '{'.charCodeAt(0)) throw new FieldError('header', 'must begin with {', shown(text.toString('latin1', 0, 20)));
  return asObject('header', parseJson('header', text));
}

function readMetadata(value: unknown): Record<string, string> {
  const metadata = asObject('__metadata__', value);
  for (const [key, text] of Object.entries(metadata)) {
    if (typeof text !== 'string') throw new FieldError(`__metadata__.${key}`, 'must be a string', shown(text));
  }
  return metadata as Record<string, string>;
}

function readEntry(name: string, entry: unknown, dataBytes: number): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = asObject(name, entry);
  if (!isDType(dtype)) throw new FieldError(`${name}.dtype`, `must be one of ${Object.keys(BYTES).join(', ')}`, shown(dtype));
  if (!isCounts(shape)) throw new FieldError(`${name}.shape`, 'must be a list of whole numbers from 0', shown(shape));
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1] || offsets[1] > dataBytes) {
    throw new FieldError(`${name}.data_offsets`, `must be two rising places within the ${dataBytes} bytes`, shown(offsets));
  }
  const [from, to] = offsets;
  const size = shape.reduce((product, side) => product * side, BYTES[dtype]);
  if (to - from !== size) throw new FieldError(`${name}.data_offsets`, `must span ${size} bytes, as dtype and shape say`, to - from);
  return { name, dtype, shape, from, to };
}

/**
 * The rule of the format's own reader (`Metadata::validate` in huggingface/safetensors): in the order of their offsets each tensor
 * begins where the one before ends, and the last ends with the data. So no byte is read twice (a small body that becomes a large
 * one) and none is unseen.
 */
function checkCover(entries: readonly TensorEntry[], dataBytes: number): void {
  let end = 0;
  for (const { name, from, to } of [...entries].sort((a, b) => a.from - b.from || a.to - b.to)) {
    if (from !== end) {
      const rule = `must begin at ${end}, where the tensor before ends: no byte twice, none left out`;
      throw new FieldError(`${name}.data_offsets`, rule, JSON.stringify([from, to]));
    }
    end = to;
  }
  if (end !== dataBytes) throw new FieldError('body', `must end with its last tensor, after ${end} bytes of data`, `${dataBytes} bytes`);
}

function asObject(field: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FieldError(field, 'must be an object', shown(value));
  return value as Record<string, unknown>;
}

const isDType = (value: unknown): value is DType => typeof value === 'string' && Object.hasOwn(BYTES, value);
const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length <= MAX_DIMENSIONS && value.every((side) => Number.isSafeInteger(side) && side >= 0);

function toFloat32(bytes: Buffer, dtype: DType): Float32Array {
  const aligned = new Uint8Array(bytes).buffer;
  if (dtype === 'F32') return new Float32Array(aligned);
  if (dtype === 'F64') return Float32Array.from(new Float64Array(aligned));
  const halves = new Uint16Array(aligned);
  if (dtype === 'F16') return Float32Array.from(halves, fromFloat16);
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer); // BF16 is the upper half of a float32
}

/** IEEE 754 binary16. */
function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** One body in float32; the header is padded to 8 bytes with spaces. The tensors' data lies in the order given. */
export function writeSafetensors({ metadata, tensors }: SafeTensors): Buffer {
  let end = 0;
  const entries = [...tensors].map(([name, { shape, values }]): [string, unknown] => {
    const from = end;
    end += values.byteLength;
    return [name, { dtype: 'F32', shape, data_offsets: [from, end] }];
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries([['__metadata__', metadata], ...entries])));
  const padded = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.length - 8));
  text.copy(padded, 8);
  const bytes = [...tensors.values()].map(({ values }) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return Buffer.concat([padded, ...bytes]);
}
