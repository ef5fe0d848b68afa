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

/** navigator.gpu with whatever types it has, which come out again. */
interface AnyGpu {
  requestAdapter: (...options: never[]) => Promise<{ requestDevice: (...options: never[]) => Promise<unknown>; info: unknown } | null>;
}
type AdapterOf<G extends AnyGpu> = NonNullable<Awaited<ReturnType<G['requestAdapter']>>>;

/**
 * @param given navigator.gpu
 * @returns what TF.js's WebGPUBackend is made of
 * @throws where there is no adapter
 */
export async function requestDevice<G extends AnyGpu>(
  given: G,
): Promise<{ device: Awaited<ReturnType<AdapterOf<G>['requestDevice']>>; info: AdapterOf<G>['info'] }> {
  const gpu = given as unknown as Gpu;
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null)
    throw new Error('WebGPU: no adapter: a graphics card with a Vulkan, Metal or D3D12 driver is needed, or Mesa 25 lavapipe');
  const device = await adapter.requestDevice({
    requiredFeatures: FEATURES.filter((name) => adapter.features.has(name)),
    requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
  });
  return { device: device as Awaited<ReturnType<AdapterOf<G>['requestDevice']>>, info: adapter.info };
}
