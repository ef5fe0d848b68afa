/**
 * How shaders go over channels: one number at a time, four or eight, and how they read and write tensors that are stored in
 * half precision. Text of WGSL only: which tensors are stored so is in packed.ts.
 */

/** Eight halves: 16 bytes in one access. A binding of this type takes a tensor in half precision as it is stored. */
export const PACKED = 'vec4u';
/** Channels of one element of that type. */
export const PACKED_CHANNELS = 8;

/** Name and WGSL type of the elements, or of a uniform. */
export type Binding = readonly [name: string, element: string];

/** Several of one type, as inputs, outputs or uniforms of a shader. */
export const bindings = (element: string, ...names: string[]): Binding[] => names.map((name) => [name, element]);

/** What a thread takes at once. */
export interface Element {
  /** f32, vec4f, or mat2x4f: eight numbers, which add up and scale like a vector. */
  element: string;
  /** Numbers in it. */
  components: number;
  /** How many of it the channels are. */
  count: number;
}

/** @param packed is one of the tensors in half precision? Its channels are a multiple of 8. */
export function elementOf(channels: number, packed = false): Element {
  if (packed) return { element: 'mat2x4f', components: PACKED_CHANNELS, count: channels / PACKED_CHANNELS };
  // A vector of four where the channels allow it: 16 bytes in one access.
  return channels % 4 === 0 ? { element: 'vec4f', components: 4, count: channels / 4 } : { element: 'f32', components: 1, count: channels };
}

/** A tensor in a shader, in either format. */
export interface Stored {
  binding: Binding;
  /** WGSL that reads an element. */
  at: (index: string) => string;
  /** WGSL that writes one. */
  set: (index: string, value: string) => string;
}

/** @param element WGSL's type of what a thread takes at once @param packed is the tensor in half precision? */
export function stored(name: string, element: string, packed: boolean): Stored {
  return {
    binding: [name, packed ? PACKED : element],
    at: (index) => (packed ? `unpack(${name}[${index}])` : `${name}[${index}]`),
    set: (index, value) => (packed ? `${name}[${index}] = pack(${value});` : `${name}[${index}] = ${value};`),
  };
}

/**
 * Declares `unpack`, `pack` and `rounded`, which is what `unpack` gives of what `pack` took. WGSL's own pack2x16float may
 * round either way, and is undefined beyond 65504: here the nearest half is taken, of two the even one, and what is beyond
 * becomes infinite. NaN stays NaN.
 */
export const PACK = `
fn unpack(v: vec4u) -> mat2x4f {
  return mat2x4f(vec4f(unpack2x16float(v.x), unpack2x16float(v.y)), vec4f(unpack2x16float(v.z), unpack2x16float(v.w)));
}
fn toHalves(v: vec4f) -> vec4u {
  let bits = bitcast<vec4u>(v);
  let size = bits & vec4u(0x7fffffffu);
  // 13 bits fewer in the fraction, and the exponent's bias is 15 instead of 127.
  let normal = min(((size + 0xfffu + ((size >> vec4u(13u)) & vec4u(1u))) >> vec4u(13u)) - 0x1c000u, vec4u(0x7c00u));
  // Below 2^-14 halves are multiples of 2^-24.
  let small = vec4u(round(bitcast<vec4f>(min(size, vec4u(0x38800000u))) * 16777216f));
  let number = select(normal, small, size < vec4u(0x38800000u));
  return select(number, vec4u(0x7e00u), size > vec4u(0x7f800000u)) | ((bits >> vec4u(16u)) & vec4u(0x8000u));
}
fn pack(m: mat2x4f) -> vec4u {
  let a = toHalves(m[0]);
  let b = toHalves(m[1]);
  return vec4u(a.xz, b.xz) | (vec4u(a.yw, b.yw) << vec4u(16u));
}
fn rounded(m: mat2x4f) -> mat2x4f { return unpack(pack(m)); }`;

/** Declares `inner`, the dot product of two elements. */
export const innerCode = (element: string): string => {
  const product = { f32: 'a * b', vec4f: 'dot(a, b)', mat2x4f: 'dot(a[0], b[0]) + dot(a[1], b[1])' }[element];
  return `fn inner(a: ${element}, b: ${element}) -> f32 { return ${product}; }`;
};

/** Number `i` of the `components` of a variable. */
export function pick(variable: string, i: number, components: number): string {
  if (components === 1) return variable;
  const component = 'xyzw'[i % 4];
  return components === 4 ? `${variable}.${component}` : `${variable}[${Math.floor(i / 4)}].${component}`;
}

/** An element of so many numbers. */
export const build = (values: readonly string[]): string =>
  values.length === 1 ? values[0] : `${values.length === 4 ? 'vec4f' : 'mat2x4f'}(${values.join(', ')})`;
