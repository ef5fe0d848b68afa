/**
 * Parts of a tape by hand: a node with any number of outputs and a gradient of its own, operations recorded on a tape of
 * their own, and the walk back over it. What selective recompute is made of; what is rerun, and when, is up to src/connections.
 * Unlike TF.js's own walk this one frees each gradient once it was used, and takes several outputs.
 */
import * as tf from '@tensorflow/tfjs';

type State = ReturnType<typeof tf.engine>['state'];
type TapeNode = State['activeTape'][number];

/** Are operations being recorded right now? */
export function isTapeOn(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
}

let rerunning = 0;

/** Is this a second run, for a backward pass, of what the forward pass ran before? */
export function isRerunning(): boolean {
  return rerunning > 0;
}

/** Operations that no tape records. */
export function offTape<T>(run: () => T): T {
  const { state } = tf.engine();
  state.kernelDepth++;
  try {
    return run();
  } finally {
    state.kernelDepth--;
  }
}

/** The same values as a tensor of its own: not clone, which copies on wasm. */
export function alias(tensor: tf.Tensor): tf.Tensor {
  return tf.reshape(tensor, tensor.shape);
}

/** References to the same values, which stay until they are disposed. */
export function keepAll(tensors: readonly tf.Tensor[]): tf.Tensor[] {
  return offTape(() => tensors.map((tensor) => tf.keep(alias(tensor))));
}

/**
 * One node on the running tape, in place of the operations that made `outputs` off it.
 * @param saved what the gradient needs; the tape disposes it at the end of the backward pass
 * @param gradient from the gradients of the outputs (null: not asked for) to those of the inputs, in order, each a tensor
 * of its own
 */
export function addNode(
  name: string,
  inputs: readonly tf.Tensor[],
  outputs: tf.Tensor[],
  saved: tf.Tensor[],
  gradient: (dys: (tf.Tensor | null)[]) => tf.Tensor[],
): void {
  const { state } = tf.engine();
  state.activeTape.push({
    id: state.nextTapeNodeId++,
    kernelName: name,
    inputs: Object.fromEntries(inputs.map((tensor, i) => [String(i), tensor])),
    outputs,
    saved,
    gradient: (dys) => {
      if (state.gradientDepth > 0) throw new Error(`${name}: recompute has no second derivative, got a gradient of a gradient`);
      const gradients = gradient(dys);
      return Object.fromEntries(gradients.map((tensor, i) => [String(i), () => tensor]));
    },
  });
}

/** Operations on a tape of their own. Their tensors may be disposed, all but what the nodes saved. */
export interface Recording<T> {
  readonly nodes: TapeNode[];
  readonly result: T;
}

/**
 * Runs and records. The tape that goes on meanwhile sees nothing of it.
 * @throws what `run` throws; nothing of the recording is left then
 */
export function record<T>(run: () => T): Recording<T> {
  const { state } = tf.engine();
  const { activeTape, gradientDepth, kernelDepth } = state;
  const nodes: TapeNode[] = [];
  state.activeTape = nodes;
  state.gradientDepth = 1;
  state.kernelDepth = 0;
  rerunning++;
  try {
    return { nodes, result: run() };
  } catch (error) {
    forget(nodes);
    throw error;
  } finally {
    rerunning--;
    Object.assign(state, { activeTape, gradientDepth, kernelDepth });
  }
}

/** Disposes what the nodes of a recording saved: it will not be walked. */
export function forget(nodes: readonly TapeNode[]): void {
  for (const { saved } of nodes) tf.dispose(saved ?? []);
}

/** What lasts until the innermost walk has ended; null: TF.js's own goes on, or none. */
let held: tf.Tensor[] | null = null;

/** Lets what the nodes saved live until they are walked, and not beyond the backward pass that goes on. */
export function hold(nodes: readonly TapeNode[]): void {
  const scope = tf.engine().state.activeScope;
  for (const tensor of nodes.flatMap(({ saved }) => saved ?? [])) {
    if (held !== null) held.push(tensor);
    else {
      tensor.kept = false;
      scope.track.push(tensor);
    }
  }
}

/**
 * Walks a recording backward, in TF.js's order, so that sums of gradients have the same bits; forgets it.
 * @param seeds outputs with their gradients (null: none); the gradients stay the caller's
 * @param wanted the recording's inputs
 * @returns their gradients, tensors of their own; null where an input has no part in the outputs
 */
export function walk(
  { nodes }: Recording<unknown>,
  seeds: readonly (readonly [output: tf.Tensor, gradient: tf.Tensor | null])[],
  wanted: readonly tf.Tensor[],
): (tf.Tensor | null)[] {
  const before = held;
  const mine: tf.Tensor[] = [];
  held = mine;
  try {
    return tf.tidy(() => {
      const gradients = new Map<number, tf.Tensor>();
      const add = (tensor: tf.Tensor, gradient: tf.Tensor) => {
        const sum = gradients.get(tensor.id);
        gradients.set(tensor.id, sum === undefined ? gradient : tf.add(sum, gradient));
        if (sum !== undefined) tf.dispose([sum, gradient]);
      };
      for (const [output, gradient] of seeds) if (gradient !== null) add(output, alias(gradient));
      const reached = reachedFrom(nodes, wanted);
      for (const node of [...nodes].reverse()) {
        const dys = node.outputs.map(({ id }) => gradients.get(id) ?? null);
        const inputs = Object.entries(node.inputs).filter(([, tensor]) => reached.has(tensor.id));
        if (inputs.length > 0 && dys.some((dy) => dy !== null)) {
          const names = inputs.map(([name]) => name);
          for (const [i, gradient] of gradientsOf(node, dys, names).entries()) add(inputs[i][1], gradient);
        }
        for (const { id } of node.outputs) {
          gradients.get(id)?.dispose();
          gradients.delete(id);
        }
        tf.dispose(node.saved ?? []);
      }
      return wanted.map(({ id }) => gradients.get(id) ?? null) as tf.Tensor[]; // its type knows no null
    });
  } finally {
    held = before;
    tf.dispose(mine);
    forget(nodes);
  }
}

/** Ids of all tensors that depend on these. */
function reachedFrom(nodes: readonly TapeNode[], tensors: readonly tf.Tensor[]): Set<number> {
  const reached = new Set(tensors.map(({ id }) => id));
  for (const { inputs, outputs } of nodes) {
    if (Object.values(inputs).some(({ id }) => reached.has(id))) for (const { id } of outputs) reached.add(id);
  }
  return reached;
}

/** A node's gradients for the inputs of these names, each a tensor of its own. */
function gradientsOf(node: TapeNode, dys: (tf.Tensor | null)[], names: readonly string[]): tf.Tensor[] {
  const { gradient, saved = [], kernelName } = node;
  if (gradient == null) throw new Error(`recompute: the operation ${kernelName} has no gradient`);
  return tf.tidy(() => {
    const functions = gradient(dys as tf.Tensor[]);
    const taken = new Set<tf.Tensor | null>([...dys, ...saved]);
    return names.map((name) => {
      const given = functions[name]();
      const own = taken.has(given) ? alias(given) : given;
      taken.add(own);
      return own;
    });
  });
}
