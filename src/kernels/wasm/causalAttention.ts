/** Causal attention on wasm. */
import { ATTENTION, ATTENTION_GRADIENT } from '../operations/causalAttention.ts';
import { wasmKernel } from './wasmKernel.ts';

const forward = wasmKernel(ATTENTION, ({ functions, inputs: [qkv], outputs, shapes: [[batch, time, width]], attributes, scratch }) => {
  const [out, probabilities] = outputs;
  const heads = attributes['heads'] as number;
  functions.attention(qkv, out, probabilities, batch, time, heads, width / 3 / heads, scratch(functions.matMulScratch()));
});

const gradient = wasmKernel(ATTENTION_GRADIENT, ({ functions, inputs, outputs: [dQkv], shapes, scratch }) => {
  const [qkv, probabilities, dy] = inputs;
  const [, [batch, heads, time], [, , channels]] = shapes;
  const work = scratch(functions.attentionGradientScratch(time));
  const scores = work + functions.matMulScratch();
  functions.attentionGradient(qkv, probabilities, dy, dQkv, batch, time, heads, channels / heads, work, scores);
});

export const causalAttentionKernels = [forward, gradient];
