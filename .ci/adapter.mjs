// Exits with 0 where Dawn finds an adapter, and says which.
import { create } from 'webgpu';

const adapter = await create([]).requestAdapter();
console.log(adapter === null ? 'WebGPU: no adapter' : `WebGPU: ${adapter.info.description || adapter.info.device}`);
process.exit(adapter === null ? 1 : 0);
