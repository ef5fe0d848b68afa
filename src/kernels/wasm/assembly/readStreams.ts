/** What a connection's branch reads, H_pre x, and its gradients: AssemblyScript. */
import { addOne, dot } from './rows';
import { sumLanes } from './simd';

/** u = Σ_j pre_j x_j. @param pre [T, n] @param x [T, n, C] @param u [T, C], overwritten */
export function readStreams(pre: usize, x: usize, u: usize, tokens: i32, n: i32, channels: i32): void {
  const row = <usize>channels << 2;
  for (let t = 0; t < tokens; t += 2) {
    for (let j = 0; j < n; j++) {
      const h = pre + (<usize>j << 2);
      if (t + 1 < tokens) addPair(load<f32>(h), x + j * row, u, load<f32>(h + (<usize>n << 2)), x + (n + j) * row, u + row, row, j > 0);
      else addOne(load<f32>(h), x + j * row, u, row, j > 0);
    }
    pre += <usize>n << 3;
    x += 2 * n * row;
    u += 2 * row;
  }
}

/** dPre_j = ⟨du, x_j⟩, dx_j = dx̂_j + pre_j du. @param du [T, C] @param through ∂L/∂x̂ [T, n, C] @param dPre [T, n] @param dx [T, n, C] */
export function readStreamsGradient(
  pre: usize,
  x: usize,
  du: usize,
  through: usize,
  dPre: usize,
  dx: usize,
  tokens: i32,
  n: i32,
  channels: i32,
): void {
  const row = <usize>channels << 2;
  const whole = row & ~15;
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < n; j++) {
      const h = v128.load_splat<f32>(pre);
      let dot = f32x4.splat(0);
      for (let c: usize = 0; c < whole; c += 16) {
        const d = v128.load(du + c);
        dot = f32x4.add(dot, f32x4.mul(d, v128.load(x + c)));
        v128.store(dx + c, f32x4.add(v128.load(through + c), f32x4.mul(h, d)));
      }
      let sum = sumLanes(dot);
      for (let c = whole; c < row; c += 4) {
        sum += load<f32>(du + c) * load<f32>(x + c);
        store<f32>(dx + c, load<f32>(through + c) + load<f32>(pre) * load<f32>(du + c));
      }
      store<f32>(dPre, sum);
      pre += 4;
      dPre += 4;
      x += row;
      through += row;
      dx += row;
    }
    du += row;
  }
}

/** ∂L/∂H_pre alone. @param x [T, n, C] @param du [T, C] @param dPre [T, n] */
export function streamDots(x: usize, du: usize, dPre: usize, tokens: i32, n: i32, channels: i32): void {
  const row = <usize>channels << 2;
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < n; j++) {
      store<f32>(dPre, dot(du, x, row));
      dPre += 4;
      x += row;
    }
    du += row;
  }
}

/** Two tokens at once: out_x = (add ? out_x : 0) + a x, out_y = (add ? out_y : 0) + b y. */
function addPair(a: f32, x: usize, outX: usize, b: f32, y: usize, outY: usize, row: usize, add: bool): void {
  const whole = row & ~15;
  const a4 = f32x4.splat(a);
  const b4 = f32x4.splat(b);
  if (add) {
    for (let c: usize = 0; c < whole; c += 16) {
      v128.store(outX + c, f32x4.add(v128.load(outX + c), f32x4.mul(a4, v128.load(x + c))));
      v128.store(outY + c, f32x4.add(v128.load(outY + c), f32x4.mul(b4, v128.load(y + c))));
    }
  } else {
    for (let c: usize = 0; c < whole; c += 16) {
      v128.store(outX + c, f32x4.mul(a4, v128.load(x + c)));
      v128.store(outY + c, f32x4.mul(b4, v128.load(y + c)));
    }
  }
  for (let c = whole; c < row; c += 4) {
    store<f32>(outX + c, (add ? load<f32>(outX + c) : 0) + a * load<f32>(x + c));
    store<f32>(outY + c, (add ? load<f32>(outY + c) : 0) + b * load<f32>(y + c));
  }
}
