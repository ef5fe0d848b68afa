/** The streams after a connection on wasm. */
import { WRITE_STREAMS, WRITE_STREAMS_GRADIENT } from '../operations/writeStreams.ts';
import { streamSizes, wasmKernel } from './wasmKernel.ts';

const forward = wasmKernel(WRITE_STREAMS, ({ functions, inputs: [res, x, post, branch], outputs: [out], shapes }) =>
  functions.writeStreams(res, x, post, branch, out, ...streamSizes(shapes[1])),
);

const gradient = wasmKernel(WRITE_STREAMS_GRADIENT, ({ functions, inputs, outputs, shapes }) => {
  const [res, x, post, branch, dOut] = inputs;
  const [dRes, dx, dPost, dBranch] = outputs;
  functions.writeStreamsGradient(res, x, post, branch, dOut, dRes, dx, dPost, dBranch, ...streamSizes(shapes[1]));
});

export const writeStreamsKernels = [forward, gradient];
