/**
 * Sinkhorn–Knopp for n = 4: AssemblyScript. The sixteen elements, four tokens in each, stay in local variables from one half-step
 * to the next. What sinkhorn.ts does for every n, in the same order. Generated: `npm run kernels` (build/writeSinkhorn4.mjs) writes it.
 */

/** Bytes of a half-step's record: its result and the inverses of its divisors. */
const RECORD: usize = 320;

/**
 * All half-steps from the matrix at m; the result of each and 1 / (sum + ε) go to `to`.
 * @param step bytes from one record to the next; 0: only the last one is wanted
 */
export function halfSteps4(m: usize, to: usize, step: usize, steps: i32, epsilon: f32): void {
  const one = f32x4.splat(1);
  const shift = f32x4.splat(epsilon);
  let inverse: v128;
  let m00 = v128.load(m, 0); let m01 = v128.load(m, 16); let m02 = v128.load(m, 32); let m03 = v128.load(m, 48);
  let m10 = v128.load(m, 64); let m11 = v128.load(m, 80); let m12 = v128.load(m, 96); let m13 = v128.load(m, 112);
  let m20 = v128.load(m, 128); let m21 = v128.load(m, 144); let m22 = v128.load(m, 160); let m23 = v128.load(m, 176);
  let m30 = v128.load(m, 192); let m31 = v128.load(m, 208); let m32 = v128.load(m, 224); let m33 = v128.load(m, 240);
  for (let k = 0; k < steps; k += 2) {
    inverse = f32x4.div(one, f32x4.add(f32x4.add(f32x4.add(m00, m10), f32x4.add(m20, m30)), shift));
    m00 = f32x4.mul(m00, inverse); m10 = f32x4.mul(m10, inverse); m20 = f32x4.mul(m20, inverse); m30 = f32x4.mul(m30, inverse);
    v128.store(to, inverse, 256);
    inverse = f32x4.div(one, f32x4.add(f32x4.add(f32x4.add(m01, m11), f32x4.add(m21, m31)), shift));
    m01 = f32x4.mul(m01, inverse); m11 = f32x4.mul(m11, inverse); m21 = f32x4.mul(m21, inverse); m31 = f32x4.mul(m31, inverse);
    v128.store(to, inverse, 272);
    inverse = f32x4.div(one, f32x4.add(f32x4.add(f32x4.add(m02, m12), f32x4.add(m22, m32)), shift));
    m02 = f32x4.mul(m02, inverse); m12 = f32x4.mul(m12, inverse); m22 = f32x4.mul(m22, inverse); m32 = f32x4.mul(m32, inverse);
    v128.store(to, inverse, 288);
    inverse = f32x4.div(one, f32x4.add(f32x4.add(f32x4.add(m03, m13), f32x4.add(m23, m33)), shift));
    m03 = f32x4.mul(m03, inverse); m13 = f32x4.mul(m13, inverse); m23 = f32x4.mul(m23, inverse); m33 = f32x4.mul(m33, inverse);
    v128.store(to, inverse, 304);
    v128.store(to, m00, 0); v128.store(to, m01, 16); v128.store(to, m02, 32); v128.store(to, m03, 48);
    v128.store(to, m10, 64); v128.store(to, m11, 80); v128.store(to, m12, 96); v128.store(to, m13, 112);
    v128.store(to, m20, 128); v128.store(to, m21, 144); v128.store(to, m22, 160); v128.store(to, m23, 176);
    v128.store(to, m30, 192); v128.store(to, m31, 208); v128.store(to, m32, 224); v128.store(to, m33, 240);
    to += step;
    if (k + 1 == steps) break;
    inverse = f32x4.div(one, f32x4.add(f32x4.add(f32x4.add(m00, m01), f32x4.add(m02, m03)), shift));
    m00 = f32x4.mul(m00, inverse); m01 = f32x4.mul(m01, inverse); m02 = f32x4.mul(m02, inverse); m03 = f32x4.mul(m03, inverse);
    v128.store(to, inverse, 256);
    inverse = f32x4.div(one, f32x4.add(f32x4.add(f32x4.add(m10, m11), f32x4.add(m12, m13)), shift));
    m10 = f32x4.mul(m10, inverse); m11 = f32x4.mul(m11, inverse); m12 = f32x4.mul(m12, inverse); m13 = f32x4.mul(m13, inverse);
    v128.store(to, inverse, 272);
    inverse = f32x4.div(one, f32x4.add(f32x4.add(f32x4.add(m20, m21), f32x4.add(m22, m23)), shift));
    m20 = f32x4.mul(m20, inverse); m21 = f32x4.mul(m21, inverse); m22 = f32x4.mul(m22, inverse); m23 = f32x4.mul(m23, inverse);
    v128.store(to, inverse, 288);
    inverse = f32x4.div(one, f32x4.add(f32x4.add(f32x4.add(m30, m31), f32x4.add(m32, m33)), shift));
    m30 = f32x4.mul(m30, inverse); m31 = f32x4.mul(m31, inverse); m32 = f32x4.mul(m32, inverse); m33 = f32x4.mul(m33, inverse);
    v128.store(to, inverse, 304);
    v128.store(to, m00, 0); v128.store(to, m01, 16); v128.store(to, m02, 32); v128.store(to, m03, 48);
    v128.store(to, m10, 64); v128.store(to, m11, 80); v128.store(to, m12, 96); v128.store(to, m13, 112);
    v128.store(to, m20, 128); v128.store(to, m21, 144); v128.store(to, m22, 160); v128.store(to, m23, 176);
    v128.store(to, m30, 192); v128.store(to, m31, 208); v128.store(to, m32, 224); v128.store(to, m33, 240);
    to += step;
  }
}

/** The gradient at m through all half-steps, the last one first; in place. @param records the first record */
export function undoHalfSteps4(m: usize, records: usize, steps: i32): void {
  let inner: v128;
  let inverse: v128;
  let from = records + steps * RECORD;
  let m00 = v128.load(m, 0); let m01 = v128.load(m, 16); let m02 = v128.load(m, 32); let m03 = v128.load(m, 48);
  let m10 = v128.load(m, 64); let m11 = v128.load(m, 80); let m12 = v128.load(m, 96); let m13 = v128.load(m, 112);
  let m20 = v128.load(m, 128); let m21 = v128.load(m, 144); let m22 = v128.load(m, 160); let m23 = v128.load(m, 176);
  let m30 = v128.load(m, 192); let m31 = v128.load(m, 208); let m32 = v128.load(m, 224); let m33 = v128.load(m, 240);
  for (let k = steps - 1; k >= 0; k--) {
    from -= RECORD;
    if (k & 1) {
      inner = f32x4.add(f32x4.add(f32x4.mul(m00, v128.load(from, 0)), f32x4.mul(m01, v128.load(from, 16))), f32x4.add(f32x4.mul(m02, v128.load(from, 32)), f32x4.mul(m03, v128.load(from, 48))));
      inverse = v128.load(from, 256);
      m00 = f32x4.mul(f32x4.sub(m00, inner), inverse); m01 = f32x4.mul(f32x4.sub(m01, inner), inverse); m02 = f32x4.mul(f32x4.sub(m02, inner), inverse); m03 = f32x4.mul(f32x4.sub(m03, inner), inverse);
      inner = f32x4.add(f32x4.add(f32x4.mul(m10, v128.load(from, 64)), f32x4.mul(m11, v128.load(from, 80))), f32x4.add(f32x4.mul(m12, v128.load(from, 96)), f32x4.mul(m13, v128.load(from, 112))));
      inverse = v128.load(from, 272);
      m10 = f32x4.mul(f32x4.sub(m10, inner), inverse); m11 = f32x4.mul(f32x4.sub(m11, inner), inverse); m12 = f32x4.mul(f32x4.sub(m12, inner), inverse); m13 = f32x4.mul(f32x4.sub(m13, inner), inverse);
      inner = f32x4.add(f32x4.add(f32x4.mul(m20, v128.load(from, 128)), f32x4.mul(m21, v128.load(from, 144))), f32x4.add(f32x4.mul(m22, v128.load(from, 160)), f32x4.mul(m23, v128.load(from, 176))));
      inverse = v128.load(from, 288);
      m20 = f32x4.mul(f32x4.sub(m20, inner), inverse); m21 = f32x4.mul(f32x4.sub(m21, inner), inverse); m22 = f32x4.mul(f32x4.sub(m22, inner), inverse); m23 = f32x4.mul(f32x4.sub(m23, inner), inverse);
      inner = f32x4.add(f32x4.add(f32x4.mul(m30, v128.load(from, 192)), f32x4.mul(m31, v128.load(from, 208))), f32x4.add(f32x4.mul(m32, v128.load(from, 224)), f32x4.mul(m33, v128.load(from, 240))));
      inverse = v128.load(from, 304);
      m30 = f32x4.mul(f32x4.sub(m30, inner), inverse); m31 = f32x4.mul(f32x4.sub(m31, inner), inverse); m32 = f32x4.mul(f32x4.sub(m32, inner), inverse); m33 = f32x4.mul(f32x4.sub(m33, inner), inverse);
    } else {
      inner = f32x4.add(f32x4.add(f32x4.mul(m00, v128.load(from, 0)), f32x4.mul(m10, v128.load(from, 64))), f32x4.add(f32x4.mul(m20, v128.load(from, 128)), f32x4.mul(m30, v128.load(from, 192))));
      inverse = v128.load(from, 256);
      m00 = f32x4.mul(f32x4.sub(m00, inner), inverse); m10 = f32x4.mul(f32x4.sub(m10, inner), inverse); m20 = f32x4.mul(f32x4.sub(m20, inner), inverse); m30 = f32x4.mul(f32x4.sub(m30, inner), inverse);
      inner = f32x4.add(f32x4.add(f32x4.mul(m01, v128.load(from, 16)), f32x4.mul(m11, v128.load(from, 80))), f32x4.add(f32x4.mul(m21, v128.load(from, 144)), f32x4.mul(m31, v128.load(from, 208))));
      inverse = v128.load(from, 272);
      m01 = f32x4.mul(f32x4.sub(m01, inner), inverse); m11 = f32x4.mul(f32x4.sub(m11, inner), inverse); m21 = f32x4.mul(f32x4.sub(m21, inner), inverse); m31 = f32x4.mul(f32x4.sub(m31, inner), inverse);
      inner = f32x4.add(f32x4.add(f32x4.mul(m02, v128.load(from, 32)), f32x4.mul(m12, v128.load(from, 96))), f32x4.add(f32x4.mul(m22, v128.load(from, 160)), f32x4.mul(m32, v128.load(from, 224))));
      inverse = v128.load(from, 288);
      m02 = f32x4.mul(f32x4.sub(m02, inner), inverse); m12 = f32x4.mul(f32x4.sub(m12, inner), inverse); m22 = f32x4.mul(f32x4.sub(m22, inner), inverse); m32 = f32x4.mul(f32x4.sub(m32, inner), inverse);
      inner = f32x4.add(f32x4.add(f32x4.mul(m03, v128.load(from, 48)), f32x4.mul(m13, v128.load(from, 112))), f32x4.add(f32x4.mul(m23, v128.load(from, 176)), f32x4.mul(m33, v128.load(from, 240))));
      inverse = v128.load(from, 304);
      m03 = f32x4.mul(f32x4.sub(m03, inner), inverse); m13 = f32x4.mul(f32x4.sub(m13, inner), inverse); m23 = f32x4.mul(f32x4.sub(m23, inner), inverse); m33 = f32x4.mul(f32x4.sub(m33, inner), inverse);
    }
  }
  v128.store(m, m00, 0); v128.store(m, m01, 16); v128.store(m, m02, 32); v128.store(m, m03, 48);
  v128.store(m, m10, 64); v128.store(m, m11, 80); v128.store(m, m12, 96); v128.store(m, m13, 112);
  v128.store(m, m20, 128); v128.store(m, m21, 144); v128.store(m, m22, 160); v128.store(m, m23, 176);
  v128.store(m, m30, 192); v128.store(m, m31, 208); v128.store(m, m32, 224); v128.store(m, m33, 240);
}
