/** The projection and the inverse RMS on wasm. */
import { PROJECT, PROJECT_GRADIENT } from '../operations/project.ts';
import { sizeOf, wasmKernel } from './wasmKernel.ts';

const forward = wasmKernel(PROJECT, ({ functions, inputs: [x, w], outputs: [p, s], shapes: [all, [k, m]], attributes, scratch }) => {
  const work = scratch(functions.projectScratch(k, m));
  functions.project(x, w, p, s, sizeOf(all) / k, k, m, attributes['epsilon'] as number, work);
});

const gradient = wasmKernel(PROJECT_GRADIENT, ({ functions, inputs, outputs, shapes: [all, [k, m]], scratch }) => {
  const [x, w, s, dp, ds, through] = inputs;
  const [dx, dw] = outputs;
  const work = scratch(functions.projectGradientScratch(k, m));
  functions.projectGradient(x, w, s, dp, ds, through, dx, dw, sizeOf(all) / k, k, m, work, 0, 0, 1);
});

export const projectKernels = [forward, gradient];
