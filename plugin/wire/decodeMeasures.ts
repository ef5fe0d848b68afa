/** A step in JSON → a rank's part of it, with measures that are there already. */
import { MEASURE_INDEX, MEASURES } from '../../src/telemetry/catalogue.ts';
import type { StepReport } from '../../src/telemetry/report.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { FieldError } from '../fieldError.ts';
import { connectionsOf, memoryOf, optionalNumber, type Part, rankPositionOf, sentScalars } from './part.ts';
import type { StepJson } from './schema.ts';

const COMPOSITES = ['compositeForwardGain', 'compositeBackwardGain'] as const;

/**
 * G is what was sent, else the largest composite gain; H_res is not known (NaN).
 * @param now as for `sentScalars`
 * @throws FieldError where a measure has not one value per connection
 */
export function decodeMeasures(step: StepJson, now: number): Part {
  const layers = step.order.length;
  const n = step.streams ?? 4;
  const measures = new Float32Array(MEASURES.length * layers).fill(Number.NaN);
  for (const [key, values] of Object.entries(step.measures ?? {})) {
    if (values.length !== layers) {
      throw new FieldError(`measures.${key}`, `must have one value per connection of order (${layers})`, values.length);
    }
    values.forEach((value, l) => {
      measures[MEASURE_INDEX[key as keyof typeof MEASURE_INDEX] * layers + l] = fromWire(value);
    });
  }
  const given = COMPOSITES.flatMap((key) => step.measures?.[key] ?? []).filter((value) => value !== null);
  const largest = given.length === 0 ? null : Math.max(...given.map(fromWire));
  const report: StepReport = {
    ...sentScalars(step, now),
    memory: memoryOf(step, null, layers),
    compositeGain: optionalNumber(step.composite_gain) ?? largest,
    measures,
    mapping: new Float32Array(layers * n * n).fill(Number.NaN),
    nonfinite: new Float64Array(layers),
  };
  return {
    ...rankPositionOf(step),
    connections: connectionsOf(step),
    streams: n,
    step: step.step,
    size: measures.byteLength + layers * n * n * 4,
    content: { report },
  };
}
