import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RecomputeMode } from '../../src/connections/recompute.ts';
import { accelerate } from '../../src/kernels/accelerate.ts';
import { AdamW } from '../../src/model/adamw.ts';
import { crossEntropy } from '../../src/model/nextByteLoss.ts';
import { CONNECTIONS, type ConnectionName, createTransformer } from '../../src/model/transformer.ts';
import { countAllocated } from '../bench/allocated.ts';
import { HOST_BACKENDS, onHosts } from '../support/backends.ts';

const RERUN = ['connections', 'blocks'] as const;

const SMALL = { depth: 3, width: 8, batch: 3, context: 6 };
type Size = typeof SMALL;

function createModel(connection: ConnectionName, recompute: RecomputeMode, { depth, width, context }: Size) {
  return createTransformer({ connection, depth, width, context, heads: 2, streams: 4, seed: 1, recompute });
}

/** A start at which every coefficient depends on its input. */
function disturb(model: tf.LayersModel): void {
  tf.tidy(() => {
    model.setWeights(model.getWeights().map((w, i) => tf.add(w, tf.randomNormal(w.shape, 0, 0.2, 'float32', i + 1))));
  });
}

function bytes({ batch, context }: Size, shift = 0): tf.Tensor {
  const values = Int32Array.from({ length: batch * context }, (_, i) => (shift + i) % 97);
  return tf.tensor2d(values, [batch, context], 'int32');
}

/** The bits of a tensor. */
const bits = (tensor: tf.Tensor): string => Buffer.from(new Float32Array(tensor.dataSync()).buffer).toString('hex');

/** Bits of the loss and of all gradients, of a model at a disturbed start. */
function gradientBits(connection: ConnectionName, recompute: RecomputeMode): string[] {
  const model = createModel(connection, recompute, SMALL);
  disturb(model);
  const [x, y] = [bytes(SMALL), bytes(SMALL, 1)];
  const { value, grads } = tf.variableGrads(() => crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor));
  const result = [value, ...Object.values(grads)].map(bits);
  tf.dispose([x, y, value, grads]);
  model.dispose();
  return result;
}

/** Bits of the losses and of the trained weights. */
async function train(recompute: RecomputeMode, how: 'loop' | 'fit'): Promise<string[]> {
  const model = createModel('mhc', recompute, SMALL);
  const optimizer = new AdamW({ learningRate: 1e-2, clipNorm: 1 });
  const [x, y] = [bytes(SMALL), tf.tidy(() => tf.oneHot(bytes(SMALL, 1), 256).toFloat())];
  const losses: number[] = [];
  if (how === 'fit') {
    model.compile({ optimizer, loss: crossEntropy });
    const { history } = await model.fit(x, y, { epochs: 4, batchSize: 3, shuffle: false, verbose: 0 });
    losses.push(...(history['loss'] as number[]));
  } else {
    for (let step = 0; step < 4; step++) {
      const loss = optimizer.minimize(() => crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor), true) as tf.Scalar;
      losses.push(loss.dataSync()[0]);
      loss.dispose();
    }
  }
  const result = [losses.join(), ...model.getWeights().map(bits)];
  tf.dispose([x, y]);
  model.dispose();
  optimizer.dispose();
  return result;
}

describe.each(HOST_BACKENDS.flatMap((backend) => [true, false].map((fast) => ({ backend, fast }))))(
  'gradients on $backend, with accelerate: $fast',
  ({ backend, fast }) => {
    let undo = () => {};
    afterAll(() => undo());
    beforeAll(async () => {
      await tf.setBackend(backend);
      if (fast) undo = accelerate(tf);
    });
    test.each(CONNECTIONS)('%s: the same to the bit in every mode', (connection) => {
      const plain = gradientBits(connection, 'none');
      for (const recompute of RERUN) expect(gradientBits(connection, recompute), recompute).toEqual(plain);
    });
  },
);

onHosts('recompute', (backend) => {
  test.each(['loop', 'fit'] as const)('trains in a %s as without', async (how) => {
    const plain = await train('none', how);
    for (const recompute of RERUN) expect(await train(recompute, how), recompute).toEqual(plain);
  });

  test.each(RERUN)('%s: no tensor and no buffer is left, also where part of the model is not trained', (recompute) => {
    const model = createModel('mhc', recompute, SMALL);
    const [x, y] = [bytes(SMALL), bytes(SMALL, 1)];
    const lossOf = () => crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor);
    const variables = model.trainableWeights.map((w) => w.read() as tf.Variable);
    const count = () => [tf.memory().numTensors, tf.memory().numDataBuffers];
    const before = count();
    // All; from the middle of a block on; the head only; none: prediction.
    for (const trained of [variables, variables.slice(-20), variables.slice(-1)]) {
      const { value, grads } = tf.variableGrads(lossOf, trained);
      tf.dispose([value, grads]);
      expect(count()).toEqual(before);
    }
    tf.tidy(() => void model.predict(x));
    tf.tidy(() => void lossOf());
    expect(count()).toEqual(before);
    tf.dispose([x, y]);
    model.dispose();
  });

  // The plain kernels take minutes at a size where weights and logits are small beside what the blocks keep.
  if (backend === 'cpu') return;
  test.each(['residual', 'hc', 'mhc'] as const)(
    '%s: 12 blocks rerun take at most a quarter of the memory of a training step, weights and optimizer included',
    (connection) => {
      const size = { depth: 12, width: 64, batch: 8, context: 64 };
      const peaks = (['none', ...RERUN] as const).map((recompute) => {
        const allocated = countAllocated();
        const model = createModel(connection, recompute, size);
        const optimizer = new AdamW({ learningRate: 1e-3, clipNorm: 1 });
        const [x, y] = [bytes(size), bytes(size, 1)];
        // Weights and the optimizer's slots count.
        for (let step = 0; step < 2; step++) {
          optimizer.minimize(() => crossEntropy(y, model.apply(x, { training: true }) as tf.Tensor))?.dispose();
        }
        const { peak } = allocated;
        tf.dispose([x, y]);
        model.dispose();
        optimizer.dispose();
        allocated.end();
        return peak;
      });
      expect(peaks[2] / peaks[0]).toBeLessThan(0.25);
      if (connection !== 'residual') expect(peaks[1] / peaks[0]).toBeLessThan(0.85);
    },
  );
});

test('an unknown mode is refused', () => {
  expect(() => createModel('mhc', 'some' as RecomputeMode, SMALL)).toThrow('recompute must be one of none, connections, blocks, got some');
});
