/** WGSL that adds up over the threads of a workgroup: with subgroups where the device has them, else in workgroup memory. */

/** Bytes of workgroup memory, and threads of a workgroup, that every device has (WebGPU, "Limits"). */
const [WORKGROUP_BYTES, MAX_LANES] = [16384, 256];
/** The smallest wave of a card. */
const MIN_LANES = 32;

/**
 * Threads for a sum over `length` elements of `values` numbers at once: a power of two, at least 32.
 * @param most fewer where the caller has other memory in use
 */
export function lanesFor(length: number, values: number, subgroups: boolean, most = MAX_LANES): number {
  // Without subgroups each thread lays down all its values; with them one thread in four at most.
  const room = WORKGROUP_BYTES / (4 * values * (subgroups ? 0.5 : 1));
  let lanes = MIN_LANES;
  while (lanes < length && 2 * lanes <= Math.min(most, room)) lanes *= 2;
  return lanes;
}

/**
 * Declares `fn reduce(values: ptr<function, array<f32, VALUES>>, lane: u32)`, which leaves the sums in `total` for all
 * threads. To be called by all threads of the workgroup. The order of the additions is fixed.
 */
export function reduceCode(values: number, lanes: number, subgroups: boolean): string {
  if (!subgroups) {
    return `
var<workgroup> laid: array<f32, ${values * lanes}>;
var<workgroup> total: array<f32, ${values}>;
fn reduce(values: ptr<function, array<f32, ${values}>>, lane: u32) {
  for (var k = 0u; k < ${values}u; k++) { laid[k * ${lanes}u + lane] = (*values)[k]; }
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      for (var k = 0u; k < ${values}u; k++) { laid[k * ${lanes}u + lane] += laid[k * ${lanes}u + lane + half]; }
    }
  }
  workgroupBarrier();
  for (var k = lane; k < ${values}u; k += ${lanes}u) { total[k] = laid[k * ${lanes}u]; }
  workgroupBarrier();
}`;
  }
  return `
var<workgroup> laid: array<f32, ${(values * lanes) / 4}>;
var<workgroup> total: array<f32, ${values}>;
fn reduce(values: ptr<function, array<f32, ${values}>>, lane: u32) {
  for (var k = 0u; k < ${values}u; k++) {
    let sum = subgroupAdd((*values)[k]);
    if (lane % subgroupLanes == 0u) { laid[lane / subgroupLanes * ${values}u + k] = sum; }
  }
  workgroupBarrier();
  for (var k = lane; k < ${values}u; k += ${lanes}u) {
    var sum = 0f;
    for (var g = 0u; g < (${lanes}u + subgroupLanes - 1u) / subgroupLanes; g++) { sum += laid[g * ${values}u + k]; }
    total[k] = sum;
  }
  workgroupBarrier();
}`;
}
