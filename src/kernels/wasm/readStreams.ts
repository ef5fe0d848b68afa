/** What a connection's branch reads on wasm. */
import { READ_STREAMS, READ_STREAMS_GRADIENT } from '../operations/readStreams.ts';
import { streamSizes, wasmKernel } from './wasmKernel.ts';

const forward = wasmKernel(READ_STREAMS, ({ functions, inputs: [pre, x], outputs: [u], shapes }) =>
  functions.readStreams(pre, x, u, ...streamSizes(shapes[1])),
);

const gradient = wasmKernel(READ_STREAMS_GRADIENT, ({ functions, inputs: [pre, x, du, through], outputs: [dPre, dx], shapes }) =>
  functions.readStreamsGradient(pre, x, du, through, dPre, dx, ...streamSizes(shapes[1])),
);

export const readStreamsKernels = [forward, gradient];
