/** The bodies that a rank sends: steps of its own connections, in JSON or as matrices, and its opening and closing. */
import { encodeBatch } from '../../plugin/wire/encode.ts';
import { writeSafetensors } from '../../plugin/wire/safetensors.ts';
import { connectionsOf, lossOf, MEASURE, partValueOf, replicaOf, STREAMS, stageOf, TOKENS, type Training } from './truth.ts';

export interface Body {
  readonly type: string;
  readonly bytes: Uint8Array;
}

function placeOf(training: Training, attempt: string, rank: number) {
  const { ranks, stages } = training;
  const place = { rank, world_size: ranks, stage: stageOf(training, rank), stages, replica: replicaOf(training, rank) };
  return { ...place, order: connectionsOf(training, place.stage), ...(attempt === '' ? {} : { attempt }) };
}

/** Some steps of a rank, in the order given. */
export function stepsBody(training: Training, attempt: string, rank: number, steps: readonly number[]): Body {
  const { layers, form } = training;
  const place = placeOf(training, attempt, rank);
  const of = (step: number) => ({
    ...place,
    step,
    loss: lossOf(training, attempt, rank, step),
    values: Array.from({ length: layers }, (_, l) => partValueOf(training, attempt, rank, step, l)),
  });
  if (form === 'json') {
    const json = steps.map(of).map(({ values, ...step }) => ({ ...step, streams: STREAMS, measures: { [MEASURE]: values } }));
    return { type: 'application/json', bytes: Buffer.from(JSON.stringify(json)) };
  }
  const bodies = steps.map(of).map(({ values, ...step }) => {
    const metadata = Object.fromEntries(
      Object.entries({ version: 1, ...step }).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
    );
    const tensors = values.map((mixed, l): [string, { shape: number[]; values: Float32Array }] => [
      place.order[l],
      { shape: [TOKENS, STREAMS, STREAMS], values: matrices(mixed) },
    ]);
    return writeSafetensors({ metadata, tensors: new Map(tensors) });
  });
  return { type: 'application/vnd.gainwatch.batch', bytes: encodeBatch(bodies) };
}

/** [TOKENS, 2, 2]: doubly stochastic, the same for each token. */
const matrices = (mixed: number): Float32Array =>
  Float32Array.from(Array.from({ length: TOKENS }, () => [1 - mixed, mixed, mixed, 1 - mixed]).flat());

/** A rank's opening. */
export const openBody = (training: Training, attempt: string, rank: number): Body => ({
  type: 'application/json',
  bytes: Buffer.from(JSON.stringify({ state: 'open', streams: STREAMS, tokens: TOKENS, ...placeOf(training, attempt, rank) })),
});

/** A rank's closing. */
export function closeBody(training: Training, attempt: string, rank: number): Body {
  const { order: _, ...place } = placeOf(training, attempt, rank);
  return { type: 'application/json', bytes: Buffer.from(JSON.stringify({ state: 'closed', outcome: 'completed', ...place })) };
}
