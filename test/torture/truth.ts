/**
 * What a training is, and the numbers that it sends: each is a function of (training, attempt, rank, step), so that a wrong value in a
 * recording is seen. Pure.
 */

/** One stretch of a training, with the name that its ranks share. */
export interface AttemptPlan {
  /** '': they send none. */
  readonly name: string;
  /** Its steps, in the order in which they are sent. */
  readonly order: readonly number[];
  /** false: its processes die, what they had not sent is gone. */
  readonly closes: boolean;
}

export interface Training {
  readonly id: number;
  /** By which it begins; another training may have the same. */
  readonly run: string;
  readonly key: string | null;
  readonly ranks: number;
  /** A divisor of `ranks`: rank r is stage r mod stages of replica r div stages. */
  readonly stages: number;
  /** Connections of each stage. */
  readonly layers: number;
  readonly form: 'json' | 'matrices';
  /** Does each rank open the run before its first step? */
  readonly opens: boolean;
  readonly attempts: readonly AttemptPlan[];
  /** Between two steps, ms. */
  readonly stepMs: number;
  /** Of the largest batch. */
  readonly batch: number;
  /** How often an acknowledged body is sent again, 0 to 1. */
  readonly resends: number;
  /** When it begins, ms. */
  readonly at: number;
}

/** n of every training here, and S. */
export const STREAMS = 2;
export const TOKENS = 2;

/** The measure that a training with JSON sends. Of several replicas the mean is kept. */
export const MEASURE = 'forwardGain';

export const stageOf = ({ stages }: Training, rank: number): number => rank % stages;
export const replicaOf = ({ stages }: Training, rank: number): number => Math.floor(rank / stages);
/** Names of the connections of a stage, in their order. */
export const connectionsOf = ({ layers }: Training, stage: number): string[] =>
  Array.from({ length: layers }, (_, l) => `stage${stage}.block${l}`);

/** FNV-1a of a text, and a last mixing: 0 ≤ value < 1, in steps of 2^-20. */
function unit(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return ((hash ^ (hash >>> 15)) >>> 12) / 2 ** 20;
}

/** 2 to 3. */
export const lossOf = ({ id }: Training, attempt: string, rank: number, step: number): number =>
  2 + unit(`loss ${id} ${attempt} ${rank} ${step}`);

/** Of a rank's l-th connection: the measure (1 to 1.5), or what mixes its two streams (0 to 0.5). */
export function partValueOf({ id, form }: Training, attempt: string, rank: number, step: number, l: number): number {
  return (form === 'json' ? 1 : 0) + unit(`value ${id} ${attempt} ${rank} ${step} ${l}`) / 2;
}
