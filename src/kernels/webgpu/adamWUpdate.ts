/** One AdamW update on WebGPU: one thread per four elements. */
import { ADAMW, adamWFactors } from '../operations/adamWUpdate.ts';
import { bindings, elementOf } from './elements.ts';
import { LANES, runShader, type Shader, sizeOf, webgpuKernel } from './program.ts';

function shader(element: string): Shader {
  return {
    key: `adamw ${element}`,
    inputs: [...bindings(element, 'parameter', 'first', 'second', 'gradient'), ['scale', 'f32']],
    outputs: bindings(element, 'newParameter', 'newFirst', 'newSecond'),
    uniforms: [['count', 'u32'], ...bindings('f32', 'beta1', 'rest1', 'beta2', 'rest2', 'keep', 'rate', 'correction2', 'epsilon')],
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
