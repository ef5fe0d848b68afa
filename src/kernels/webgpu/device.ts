/**
 * A WebGPU device with all that the adapter can give and the kernels use: half precision, subgroups, timestamps, large
 * buffers, many bindings. TF.js's own has none of these. Loads nothing and registers nothing: plugin/cli/backend.ts does.
 */

/** What we use of navigator.gpu; its types are no dependency of ours. */
export interface Gpu {
  requestAdapter(options: { powerPreference: 'high-performance' }): Promise<Adapter | null>;
}
interface Adapter {
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<string, number>>;
  readonly info: AdapterInfo;
  requestDevice(descriptor: { requiredFeatures: string[]; requiredLimits: Record<string, number> }): Promise<Device>;
}
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
}
export interface Device {
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<string, number>>;
  addEventListener(type: 'uncapturederror', listener: (event: { error: { message: string } }) => void): void;
}

const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'];
/** TF.js asks for the first six; `addN` and `concat` take as many inputs at once as there are bindings. */
const LIMITS = [
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
  'maxStorageBuffersPerShaderStage',
];

/** @throws where there is no adapter */
export async function requestDevice(gpu: Gpu): Promise<{ device: Device; info: AdapterInfo }> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null)
    throw new Error('WebGPU: no adapter: a graphics card with a Vulkan, Metal or D3D12 driver is needed, or Mesa 25 lavapipe');
  const device = await adapter.requestDevice({
    requiredFeatures: FEATURES.filter((name) => adapter.features.has(name)),
    requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
  });
  return { device, info: adapter.info };
}
