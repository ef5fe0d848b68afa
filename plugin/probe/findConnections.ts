/** Finds what to watch: the connection layers of a model, or those and the user's own in a list. Hooks nothing. */
import * as tf from '@tensorflow/tfjs';
import type { ConnectionLayer } from '../../src/connections/layer.ts';
import type { ConnectionInfo } from '../../src/telemetry/sample.ts';

/** A connection that is none of gainwatch's layers. */
export interface OwnConnection {
  /** The `layer` label of the metrics; unique within the run. */
  name: string;
  /**
   * H_res, `[..., n, n]` with rows as destinations and n from 1 to 32, from a tensor: from the output of `layer` where that is given, else
   * from what the training step hands to `monitor.observe(name, tensor)`. Must not change or dispose it.
   */
  mapping: (tensor: tf.Tensor) => tf.Tensor;
  layer?: tf.layers.Layer;
}

export type Watchable = tf.layers.Layer | OwnConnection;

export interface WatchedConnection {
  info: ConnectionInfo;
  /** One of gainwatch's own. */
  layer: ConnectionLayer | null;
  own: OwnConnection | null;
}

const isConnectionLayer = (layer: tf.layers.Layer): layer is ConnectionLayer => 'observer' in layer && 'connectionWeights' in layer;

/** Layers from input to output, those of nested models in their place. */
function flatLayers(model: tf.LayersModel): tf.layers.Layer[] {
  return model.layers.flatMap((layer) => ('layers' in layer ? flatLayers(layer as unknown as tf.LayersModel) : [layer]));
}

/**
 * @param target a model, or a list of connections from input to output; one that is there several times counts once
 * @returns none: a baseline. Residual connections only where there are no others: beside HC and mHC they are not the streams
 * @throws naming what is no connection, or the name that two have
 */
export function findConnections(target: tf.LayersModel | readonly Watchable[]): WatchedConnection[] {
  const candidates: readonly Watchable[] = Array.isArray(target) ? target : flatLayers(target as tf.LayersModel);
  const found: WatchedConnection[] = [];
  for (const candidate of new Set(candidates)) {
    if (!(candidate instanceof tf.layers.Layer)) {
      if (typeof candidate?.name !== 'string' || typeof candidate.mapping !== 'function') {
        throw new Error('watch: a connection of your own must be { name, mapping: tensor → H_res }');
      }
      found.push({ info: { name: candidate.name, kind: 'own', convention: null }, layer: null, own: candidate });
    } else if (isConnectionLayer(candidate)) {
      const { name, kind, convention } = candidate;
      found.push({ info: { name, kind, convention }, layer: candidate, own: null });
    } else if (Array.isArray(target)) {
      throw new Error(`watch: ${candidate.name} is no connection of gainwatch: give it as { name, mapping, layer }`);
    }
  }
  const streams = found.filter((c) => c.info.kind !== 'residual');
  const watched = streams.length > 0 ? streams : found;
  const names = watched.map((c) => c.info.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new Error(`watch: every connection must have a name of its own, ${twice} is there twice`);
  const taken = names.find((name) => /#\d+$/.test(name) && names.includes(name.replace(/#\d+$/, '')));
  if (taken !== undefined) throw new Error(`watch: ${taken} must have another name: it is that of a further run of a connection`);
  return watched;
}
