/** Single operations on every backend: against float64, by hand, and the same composed of stock ones. */
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { adamWUpdate } from '../../src/kernels/operations/adamWUpdate.ts';
import { dense } from '../../src/kernels/operations/dense.ts';
import { embed } from '../../src/kernels/operations/embed.ts';
import { hyperMaps } from '../../src/kernels/operations/hyperMaps.ts';
import { composedSinkhorn, sinkhorn } from '../../src/kernels/operations/sinkhorn.ts';
import { squaredNorm } from '../../src/kernels/operations/squaredNorm.ts';
import { sinkhorn as sinkhorn64, sinkhornGradient as sinkhornGradient64 } from '../../src/measures/sinkhornKnopp.ts';
import { difference, EPS, normal } from '../support/accelerated.ts';
import { onEveryBackend } from '../support/backends.ts';

onEveryBackend('kernels', (backend) => {
  /** Are the operations ours here, straight on the backend's memory? Elsewhere they are composed of stock ones. */
  const ours = backend === 'cpu' || backend === 'wasm';

  test.each(['paper', 'deepseek'] as const)(
    'sinkhorn (%s): the custom operation, the composed one and float64 agree, gradients too',
    async (convention) => {
      const logits = normal([5, 3, 4, 4], 1);
      const options = { iterations: 20, convention, epsilon: convention === 'deepseek' ? 1e-6 : 0 };
      const weights = normal([5, 3, 4, 4], 2);
      const lossOf = (kernel: typeof sinkhorn) => (x: tf.Tensor) => tf.sum(tf.mul(kernel(x, options), weights)) as tf.Scalar;
      const custom = await sinkhorn(logits, options).data();
      const logits64 = Float64Array.from(await logits.data());
      expect(difference(custom, sinkhorn64(logits64, 4, options))).toBeLessThan((ours ? 2 : 40) * EPS);
      // 20 iterations of two divisions, each within half an ulp, contract: a few ulps are left.
      expect(difference(await composedSinkhorn(logits, options).data(), custom)).toBeLessThan(40 * EPS);
      const [a, b] = await Promise.all([sinkhorn, composedSinkhorn].map((kernel) => tf.grad(lossOf(kernel))(logits).data()));
      expect(difference(b, a)).toBeLessThan(400 * EPS);
      expect(difference(a, sinkhornGradient64(logits64, Float64Array.from(await weights.data()), 4, options))).toBeLessThan(400 * EPS);
    },
  );

  test.each(['paper', 'deepseek'] as const)(
    'composed sinkhorn (%s): the gradient of its gradient is that of differences in float64',
    async (convention) => {
      const options = { iterations: 3, convention, epsilon: convention === 'deepseek' ? 1e-2 : 0 };
      const [logits, weights] = [normal([5, 3, 3], 1), normal([5, 3, 3], 2)];
      const gradient = tf.grad((x) => tf.sum(tf.mul(composedSinkhorn(x, options), weights)));
      const second = await tf
        .grad((x) => tf.sum(tf.square(gradient(x))))(logits)
        .data();
      const [values, dOut] = [Float64Array.from(await logits.data()), Float64Array.from(await weights.data())];
      const squares = (k: number, by: number) =>
        sinkhornGradient64(values.with(k, values[k] + by), dOut, 3, options).reduce((sum, g) => sum + g * g, 0);
      const expected = values.map((_, k) => (squares(k, 1e-5) - squares(k, -1e-5)) / 2e-5);
      expect(difference(second, expected)).toBeLessThan(400 * EPS);
    },
  );

  test('dense: x W and its gradients are those of matMul', async () => {
    const x = normal([3, 5, 8], 3);
    const w = normal([8, 6], 4) as tf.Tensor2D;
    const g = normal([3, 5, 6], 5);
    const plain = (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a.reshape([15, 8]), b as tf.Tensor2D).reshape([3, 5, 6]);
    expect(difference(await dense(x, w).data(), await plain(x, w).data())).toBeLessThan(8 * EPS);
    const gradients = (f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor) => tf.grads((a, b) => tf.sum(tf.mul(f(a, b), g)))([x, w]);
    const [dx, dw] = gradients((a, b) => dense(a, b as tf.Tensor2D));
    const [px, pw] = gradients(plain);
    expect(difference(await dx.data(), await px.data())).toBeLessThan(8 * EPS);
    expect(difference(await dw.data(), await pw.data())).toBeLessThan(16 * EPS);
  });

  test.each([
    ['xᵀ y', true],
    ['x y', false],
  ])('a product over a long axis, %s, has the same bits each time, and is that of float64', async (_name, transposed) => {
    const [length, rows, columns] = [2500, 20, 24];
    const a = normal(transposed ? [length, rows] : [rows, length], 7) as tf.Tensor2D;
    const b = normal([length, columns], 8) as tf.Tensor2D;
    const product = async () => tf.matMul(a, b, transposed, false).data();
    const first = await product();
    for (let i = 0; i < 5; i++) expect(await product()).toEqual(first);
    const [x, y] = [await (transposed ? tf.transpose(a) : a).data(), await b.data()];
    const expected = Float64Array.from({ length: rows * columns }, (_, at) => {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += x[Math.floor(at / columns) * length + k] * y[k * columns + (at % columns)];
      return sum;
    });
    expect(difference(first, expected)).toBeLessThan(length * EPS);
  });

  test('embed: rows are picked, and the gradient adds up where a row was picked twice', async () => {
    const table = normal([7, 3], 6) as tf.Tensor2D;
    const indices = tf.tensor2d([1, 4, 1, 6], [2, 2], 'int32');
    const values = await table.array();
    const rows = embed(table, indices);
    expect(rows.shape).toEqual([2, 2, 3]);
    expect([...(await rows.data())]).toEqual([1, 4, 1, 6].flatMap((row) => values[row]));
    const weights = tf.tensor3d([1, 2, 3, 10, 20, 30, 100, 200, 300, 5, 5, 5], [2, 2, 3]);
    const gradient = tf.grad((t) => tf.sum(tf.mul(embed(t as tf.Tensor2D, indices), weights)))(table);
    expect([...(await gradient.data())]).toEqual([0, 0, 0, 101, 202, 303, 0, 0, 0, 0, 0, 0, 10, 20, 30, 0, 0, 0, 5, 5, 5]);
  });

  test('NaN in one token stays NaN there, and only there', async () => {
    const values = Float32Array.from({ length: 24 }, (_, i) => (i === 9 ? Number.NaN : i / 12 - 1));
    const p = tf.tensor3d(values, [3, 2, 4]);
    const { pre, post, res } = hyperMaps(p, tf.ones([3, 2]), tf.ones([3]), tf.zeros([4, 2]));
    const nan = async (t: tf.Tensor) => [...(await t.data())].flatMap((v, i) => (Number.isNaN(v) ? [i] : []));
    expect([await nan(pre), await nan(post), await nan(res)]).toEqual([[], [2], []]); // token 1, stream 0, column 1
  });

  test('squaredNorm: over several tensors, and none', async () => {
    expect((await squaredNorm([tf.tensor1d([3, 4]), tf.tensor2d([[1], [2]])]).data())[0]).toBe(30);
    expect((await squaredNorm([]).data())[0]).toBe(0);
  });

  test('AdamW: one update by hand', async () => {
    const options = { learningRate: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.5, correction1: 0.1, correction2: 0.05 };
    const [parameter, moment, gradient] = [tf.tensor1d([2, -1]), tf.zeros([2]), tf.tensor1d([3, -4])];
    const [p, m, v] = adamWUpdate(parameter, moment, moment, gradient, tf.scalar(0.5), options);
    expect(difference(await m.data(), [0.15, -0.2])).toBeLessThan(4 * EPS);
    expect(difference(await v.data(), [0.05 * 2.25, 0.05 * 4])).toBeLessThan(4 * EPS);
    // Bias-corrected m/√v is ±1: p − lr (±1 + decay p)
    expect(difference(await p.data(), [2 - 0.1 * (1 + 1), -1 - 0.1 * (-1 - 0.5)])).toBeLessThan(8 * EPS);
  });
});
