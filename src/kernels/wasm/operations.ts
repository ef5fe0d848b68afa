/** The wasm kernels of the model's operations: what each function of the module is called with. What they mean is in the operations' files. */
import * as tf from '@tensorflow/tfjs';
import { ADAMW, type AdamWStep } from '../adamw.ts';
import { ATTENTION, ATTENTION_GRADIENT } from '../attention.ts';
import { CROSS_ENTROPY, CROSS_ENTROPY_GRADIENT } from '../crossEntropy.ts';
import { RMS_NORMALISE, RMS_NORMALISE_GRADIENT } from '../normalise.ts';
import { RELU_GRADIENT } from '../relu.ts';
import { SQUARED_NORM } from '../squaredNorm.ts';
import { wasmKernel } from './kernel.ts';
import { MATMUL_SCRATCH } from './matMul.ts';

const { sizeFromShape } = tf.util;
const rowsOf = (shape: number[]) => sizeFromShape(shape.slice(0, -1));

const rmsNormalise = wasmKernel(RMS_NORMALISE, ({ functions, inputs: [x, gain], outputs: [y], shapes: [shape, [size]], attributes }) =>
  functions.rmsNormalise(x, gain, y, rowsOf(shape), size, attributes['epsilon'] as number),
);

const rmsNormaliseGradient = wasmKernel(RMS_NORMALISE_GRADIENT, ({ functions, inputs, outputs, shapes: [shape, [size]], attributes }) => {
  const [x, gain, dy] = inputs;
  const [dx, dGain] = outputs;
  functions.rmsNormaliseGradient(x, gain, dy, dx, dGain, rowsOf(shape), size, attributes['epsilon'] as number);
});

const attention = wasmKernel(ATTENTION, ({ functions, inputs: [qkv], outputs, shapes: [[batch, time, width]], attributes, scratch }) => {
  const [out, probabilities] = outputs;
  const heads = attributes['heads'] as number;
  functions.attention(qkv, out, probabilities, batch, time, heads, width / 3 / heads, scratch(MATMUL_SCRATCH / 4));
});

/** Rows of scores that attentionGradient holds at once: BLOCK of assembly/attention.ts. */
const ATTENTION_BLOCK = 32;

const attentionGradient = wasmKernel(ATTENTION_GRADIENT, ({ functions, inputs, outputs: [dQkv], shapes, scratch }) => {
  const [qkv, probabilities, dy] = inputs;
  const [, [batch, heads, time], [, , channels]] = shapes;
  const work = scratch(MATMUL_SCRATCH / 4 + Math.min(ATTENTION_BLOCK, time) * time);
  const scores = work + MATMUL_SCRATCH;
  functions.attentionGradient(qkv, probabilities, dy, dQkv, batch, time, heads, channels / heads, work, scores);
});

const crossEntropy = wasmKernel(CROSS_ENTROPY, ({ functions, inputs: [logits, targets], outputs, shapes: [[rows, size]] }) => {
  const [loss, probabilities] = outputs;
  functions.crossEntropy(logits, targets, loss, probabilities, rows, size);
});

const crossEntropyGradient = wasmKernel(CROSS_ENTROPY_GRADIENT, ({ functions, inputs, outputs: [dLogits], shapes: [[rows, size]] }) => {
  const [probabilities, targets, dy] = inputs;
  functions.crossEntropyGradient(probabilities, targets, dy, dLogits, rows, size);
});

const reluGradient = wasmKernel(RELU_GRADIENT, ({ functions, inputs: [y, dy], outputs: [dx], shapes: [shape] }) =>
  functions.reluGradient(y, dy, dx, sizeFromShape(shape)),
);

const adamW = wasmKernel(ADAMW, ({ functions, inputs, outputs, shapes: [shape], attributes }) => {
  const { learningRate, beta1, beta2, epsilon, weightDecay, correction1, correction2 } = attributes as unknown as AdamWStep;
  const [parameter, first, second, gradient, scale] = inputs;
  const [outParameter, outFirst, outSecond] = outputs;
  functions.adamW(
    parameter,
    first,
    second,
    gradient,
    scale,
    outParameter,
    outFirst,
    outSecond,
    sizeFromShape(shape),
    beta1,
    1 - beta1,
    beta2,
    1 - beta2,
    learningRate / correction1,
    1 / correction2,
    epsilon,
    1 - learningRate * weightDecay,
  );
});

const squaredNorm = wasmKernel(SQUARED_NORM, ({ functions, inputs, outputs: [out], shapes }) => {
  let total = 0;
  inputs.forEach((x, i) => {
    total += functions.squaredNorm(x, sizeFromShape(shapes[i]));
  });
  functions.storeFloat(out, total);
});

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
