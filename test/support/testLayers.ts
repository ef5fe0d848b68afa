/** Layers for tests of the connections: branches that are any function, gradients as arrays, models saved and loaded. */
import * as tf from '@tensorflow/tfjs';
import { ManifoldConnection } from '../../src/connections/layers.ts';

/** F(u) = tanh(u w + c) over C channels, seeded. */
export const denseBranch = (channels: number, seed: number) =>
  tf.layers.dense({ units: channels, activation: 'tanh', kernelInitializer: tf.initializers.glorotNormal({ seed }) });

/** An mHC connection with such a branch, for every index another. */
export const manifold = (channels: number, index: number) =>
  new ManifoldConnection({ branch: denseBranch(channels, index + 1), index, seed: index + 1 });

/** A branch that is a function without weights. */
export class FunctionBranch extends tf.layers.Layer {
  static className = 'TestFunctionBranch';
  private readonly run: (u: tf.Tensor) => tf.Tensor;
  constructor(run: (u: tf.Tensor) => tf.Tensor) {
    super({});
    this.run = run;
  }
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return this.run(Array.isArray(inputs) ? inputs[0] : inputs);
  }
  override computeOutputShape(shape: tf.Shape): tf.Shape {
    return shape;
  }
}

/** Gradients of Σ y² for the input and all weights, as arrays. */
export function gradientsOf(layer: tf.layers.Layer, x: tf.Tensor): Float32Array[] {
  return tf.tidy(() => {
    tf.dispose(layer.apply(x) as tf.Tensor); // built
    const weights = layer.trainableWeights.map((w) => w.read());
    const lossOf = (input: tf.Tensor) => tf.sum(tf.square(layer.apply(input, { training: true }) as tf.Tensor)) as tf.Scalar;
    return tf
      .grads((...[input]: tf.Tensor[]) => lossOf(input))([x, ...weights])
      .map((g) => new Float32Array(g.dataSync()));
  });
}

/** The same model from what it would write to files. */
export async function saveAndLoad(model: tf.LayersModel): Promise<tf.LayersModel> {
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  const modelTopology = JSON.parse(JSON.stringify(saved!.modelTopology));
  return tf.loadLayersModel(tf.io.fromMemory({ ...saved, modelTopology }));
}
