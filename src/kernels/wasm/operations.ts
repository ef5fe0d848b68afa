/** The wasm kernels of the custom operations: which function of the module each calls. What they mean is in the operations' files. */
import * as tf from '@tensorflow/tfjs';
import { ADAMW, type AdamWInput, type AdamWStep } from '../adamw.ts';
import { ATTENTION, ATTENTION_GRADIENT } from '../attention.ts';
import { CROSS_ENTROPY, CROSS_ENTROPY_GRADIENT } from '../crossEntropy.ts';
import { RMS_NORMALISE, RMS_NORMALISE_GRADIENT } from '../normalise.ts';
import { RELU_GRADIENT } from '../relu.ts';
import { SQUARED_NORM } from '../squaredNorm.ts';
import { wasmKernel } from './kernel.ts';
import { MATMUL_SCRATCH } from './matMul.ts';
import { heapFloats, scratch } from './module.ts';

const { sizeFromShape } = tf.util;
const last = (shape: number[]) => shape.at(-1) as number;
const rowsOf = (shape: number[]) => sizeFromShape(shape.slice(0, -1));

const rmsNormalise = wasmKernel<'x' | 'gain', { epsilon: number }>(
  RMS_NORMALISE,
  ({ x }) => [x],
  ({ functions, shapes, inputs, outputs: [y], attributes }) =>
    functions.rmsNormalise(inputs.x, inputs.gain, y, rowsOf(shapes.x), last(shapes.x), attributes.epsilon),
);

const rmsNormaliseGradient = wasmKernel<'x' | 'gain' | 'dy', { epsilon: number }>(
  RMS_NORMALISE_GRADIENT,
  ({ x, gain }) => [x, gain],
  ({ functions, shapes, inputs, outputs: [dx, dGain], attributes }) =>
    functions.rmsNormaliseGradient(inputs.x, inputs.gain, inputs.dy, dx, dGain, rowsOf(shapes.x), last(shapes.x), attributes.epsilon),
);

const attention = wasmKernel<'qkv', { heads: number }>(
  ATTENTION,
  ({ qkv: [batch, time, width] }, { heads }) => [
    [batch, time, width / 3],
    [batch, heads, time, time],
  ],
  ({ functions, backend, shapes, inputs, outputs: [out, probabilities], attributes: { heads } }) => {
    const [batch, time, width] = shapes.qkv;
    functions.attention(inputs.qkv, out, probabilities, batch, time, heads, width / 3 / heads, scratch(backend, MATMUL_SCRATCH));
  },
);

/** Rows of scores that attentionGradient holds at once: BLOCK of assembly/attention.ts. */
const ATTENTION_BLOCK = 32;

const attentionGradient = wasmKernel<'qkv' | 'probabilities' | 'dy'>(
  ATTENTION_GRADIENT,
  ({ qkv }) => [qkv],
  ({ functions, backend, shapes, inputs, outputs: [dQkv] }) => {
    const [batch, heads, time] = shapes.probabilities;
    const work = scratch(backend, MATMUL_SCRATCH + 4 * Math.min(ATTENTION_BLOCK, time) * time);
    const size = last(shapes.dy) / heads;
    const scores = work + MATMUL_SCRATCH;
    functions.attentionGradient(inputs.qkv, inputs.probabilities, inputs.dy, dQkv, batch, time, heads, size, work, scores);
  },
);

const crossEntropy = wasmKernel<'logits' | 'targets'>(
  CROSS_ENTROPY,
  ({ logits }) => [[], logits],
  ({ functions, backend, shapes, inputs, outputs: [loss, probabilities] }) => {
    const [rows, size] = shapes.logits;
    const total = functions.crossEntropy(inputs.logits, inputs.targets, probabilities, rows, size);
    heapFloats(backend, loss, 1)[0] = total / rows;
  },
);

const crossEntropyGradient = wasmKernel<'probabilities' | 'targets' | 'dy'>(
  CROSS_ENTROPY_GRADIENT,
  ({ probabilities }) => [probabilities],
  ({ functions, backend, shapes, inputs, outputs: [dLogits] }) => {
    const [rows, size] = shapes.probabilities;
    const scale = heapFloats(backend, inputs.dy, 1)[0] / rows;
    functions.crossEntropyGradient(inputs.probabilities, inputs.targets, dLogits, rows, size, scale);
  },
);

const reluGradient = wasmKernel<'y' | 'dy'>(
  RELU_GRADIENT,
  ({ y }) => [y],
  ({ functions, shapes, inputs, outputs: [dx] }) => functions.reluGradient(inputs.y, inputs.dy, dx, sizeFromShape(shapes.y)),
);

const adamW = wasmKernel<AdamWInput, AdamWStep>(
  ADAMW,
  ({ parameter }) => [parameter, parameter, parameter],
  ({ functions, shapes, inputs, outputs: [parameter, first, second], attributes }) => {
    const { learningRate, beta1, beta2, epsilon, weightDecay, correction1, correction2 } = attributes;
    functions.adamW(
      inputs.parameter,
      inputs.first,
      inputs.second,
      inputs.gradient,
      inputs.scale,
      parameter,
      first,
      second,
      sizeFromShape(shapes.parameter),
      beta1,
      1 - beta1,
      beta2,
      1 - beta2,
      learningRate / correction1,
      1 / correction2,
      epsilon,
      1 - learningRate * weightDecay,
    );
  },
);

const squaredNorm = wasmKernel<string>(
  SQUARED_NORM,
  () => [[]],
  ({ functions, backend, shapes, inputs, outputs: [out] }) => {
    let total = 0;
    for (const name of Object.keys(inputs)) total += functions.squaredNorm(inputs[name], sizeFromShape(shapes[name]));
    heapFloats(backend, out, 1)[0] = total;
  },
);

export const WASM_OPERATIONS: readonly tf.KernelConfig[] = [
  rmsNormalise,
  rmsNormaliseGradient,
  attention,
  attentionGradient,
  crossEntropy,
  crossEntropyGradient,
  reluGradient,
  adamW,
  squaredNorm,
];
