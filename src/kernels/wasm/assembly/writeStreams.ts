/** The streams after a connection, H_res x + H_postᵀ F, and its gradients: AssemblyScript. One token after the other. */
import { addOne, combine, combineNear, dot } from './rows';

/** x'_i = Σ_j H_ij x_j + post_i F. @param res [T, n, n] @param x [T, n, C] @param post [T, n] @param branch [T, C] @param out [T, n, C] */
export function writeStreams(res: usize, x: usize, post: usize, branch: usize, out: usize, tokens: i32, n: i32, channels: i32): void {
  const row = <usize>channels << 2;
  for (let t = 0; t < tokens; t++) {
    for (let i = 0; i < n; i++) {
      addOne(load<f32>(post), branch, out, row, false);
      if (i == 0) combine(res, 4, x, row, n, out, true);
      else combineNear(res, 4, x, row, n, out, true);
      res += <usize>n << 2;
      post += 4;
      out += row;
    }
    x += n * row;
    branch += row;
  }
}

/**
 * As operations/writeStreams.ts says.
 * @param dOut [T, n, C] @param dRes [T, n, n] @param dx [T, n, C] @param dPost [T, n] @param dBranch [T, C]
 */
export function writeStreamsGradient(
  res: usize,
  x: usize,
  post: usize,
  branch: usize,
  dOut: usize,
  dRes: usize,
  dx: usize,
  dPost: usize,
  dBranch: usize,
  tokens: i32,
  n: i32,
  channels: i32,
): void {
  const row = <usize>channels << 2;
  for (let t = 0; t < tokens; t++) {
    let d = dOut;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        store<f32>(dRes, dot(d, x + j * row, row));
        dRes += 4;
      }
      store<f32>(dPost, dot(d, branch, row));
      dPost += 4;
      d += row;
    }
    for (let j = 0; j < n; j++) combineNear(res + (<usize>j << 2), <usize>n << 2, dOut, row, n, dx + j * row, false);
    combineNear(post, 4, dOut, row, n, dBranch, false);
    res += <usize>(n * n) << 2;
    post += <usize>n << 2;
    x += n * row;
    dx += n * row;
    dOut += n * row;
    branch += row;
    dBranch += row;
  }
}
