/** One AdamW update on WebGPU: one thread per four elements. */
import { ADAMW, adamWFactors } from '../operations/adamWUpdate.ts';
import { elementOf } from './elements.ts';
import { LANES, runShader, type Shader, sizeOf, webgpuKernel } from './program.ts';

function shader(element: string): Shader {
  return {
    key: `adamw ${element}`,
    inputs: [
      ['parameter', element],
      ['first', element],
      ['second', element],
      ['gradient', element],
      ['scale', 'f32'],
    ],
    outputs: [
      ['newParameter', element],
      ['newFirst', element],
      ['newSecond', element],
    ],
    uniforms: [
      ['count', 'u32'],
      ['beta1', 'f32'],
      ['rest1', 'f32'],
      ['beta2', 'f32'],
      ['rest2', 'f32'],
      ['keep', 'f32'],
      ['rate', 'f32'],
      ['correction2', 'f32'],
      ['epsilon', 'f32'],
    ],
    lanes: LANES,
    code: () => `
fn run(group: u32, lane: u32) {
  let i = group * ${LANES}u + lane;
  if (i >= uniforms.count) { return; }
  let g = gradient[i] * scale[0];
  let m = uniforms.beta1 * first[i] + uniforms.rest1 * g;
  let v = uniforms.beta2 * second[i] + uniforms.rest2 * g * g;
  newFirst[i] = m;
  newSecond[i] = v;
  newParameter[i] = uniforms.keep * parameter[i] - uniforms.rate * m / (sqrt(v / uniforms.correction2) + uniforms.epsilon);
}`,
  };
}

const update = webgpuKernel(ADAMW, ({ backend, inputs, outputs, attributes }) => {
  const { beta1, rest1, beta2, rest2, keep, rate, correction2, epsilon } = adamWFactors(attributes);
  const { element, count } = elementOf(sizeOf(inputs[0].shape));
  const numbers = [count, beta1, rest1, beta2, rest2, keep, rate, correction2, epsilon];
  runShader(backend, shader(element), inputs, outputs, numbers, Math.ceil(count / LANES));
});

export const adamWUpdateKernels = [update];
