import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { crossEntropy } from '../../src/model/loss.ts';
import { CONNECTIONS, createTransformer } from '../../src/model/transformer.ts';
import { onEveryBackend } from '../support/backends.ts';

function gradients(connection: (typeof CONNECTIONS)[number], recompute: 'none' | 'connections' | 'blocks', depth = 3): number[][] {
  const model = createTransformer({ connection, depth, width: 8, context: 6, heads: 2, streams: 4, seed: 1, recompute });
  const x = tf.range(0, 24, 1, 'int32').reshape([4, 6]);
  const { value, grads } = tf.variableGrads(() => crossEntropy(x, model.apply(x, { training: true }) as tf.Tensor));
  const result = [value, ...Object.values(grads)].map((t) => [...t.dataSync()]);
  tf.dispose([x, value, grads]);
  model.dispose();
  return result;
}

onEveryBackend('recompute', () => {
  test.each(CONNECTIONS)('%s: gradients are the same to the bit', (connection) => {
    const plain = gradients(connection, 'none');
    expect(gradients(connection, 'connections')).toEqual(plain);
    expect(gradients(connection, 'blocks')).toEqual(plain);
  });
});
