/** Checks what came in against plugin/openapi.yaml, and refuses it with the field that breaks a rule. Reads no body (decode.ts does). */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import type { MeasureKey } from '../../src/telemetry/catalogue.ts';
import type { Outcome } from '../../src/telemetry/report.ts';
import type { Bound, ConnectionKind, Convention } from '../../src/telemetry/sample.ts';
import type { SelfTestEntry } from '../../src/telemetry/selfTest.ts';
import type { SentNumber } from '../../src/telemetry/wire.ts';
import { FieldError, short, shown } from '../fieldError.ts';
import { checkConnections } from './bodyLimits.ts';

/** Of one request, in a batch or as JSON: maxItems of `StepsJson` in openapi.yaml. */
export const MAX_STEPS = 1024;

/** Who speaks: a process of a training that may have many, and its attempt. Defaults are those of a training of one process. */
export interface SentPosition {
  /** Name of the attempt; another one begins anew. */
  attempt?: string;
  /** Number of the process, from 0 below `world_size`. */
  rank?: number;
  world_size?: number;
  /** Which part of the depth the process holds (pipeline parallel), from 0 below `stages`. */
  stage?: number;
  stages?: number;
  /** Which copy of the model it belongs to (data parallel), from 0. */
  replica?: number;
}

/** The connections of a process, in their order from input to output. */
export interface SentListing {
  /** Their names; none of a baseline. */
  order: string[];
  kinds?: ConnectionKind[];
  conventions?: (Convention | null)[];
  bounded?: (Bound | null)[];
}

export interface StepMetadata extends SentPosition, SentListing {
  step: number;
  time?: number;
  step_seconds?: SentNumber;
  loss?: SentNumber;
  gradient_norm?: SentNumber;
  learning_rate?: SentNumber;
  /** Positions of the sampled tokens. */
  tokens?: number[];
  /** H: rows are destinations; comb: columns are. */
  orientation?: 'H' | 'comb';
  /** Bytes by kind. */
  memory?: Record<string, number>;
  overhead_seconds?: number;
  samples_dropped?: number;
  errors?: number;
}

export interface StepJson extends StepMetadata {
  streams?: number;
  composite_gain?: SentNumber;
  /** By key, one value per connection. */
  measures?: Partial<Record<MeasureKey, (SentNumber | null)[]>>;
}

export interface OpenState extends SentPosition, SentListing {
  state: 'open';
  streams: number;
  tokens?: number;
  self_test?: SelfTestEntry[];
}
export interface CloseState extends SentPosition {
  state: 'closed';
  outcome?: Outcome;
}
export type RunState = OpenState | CloseState;

/** Checks by kind of body; each gives its argument back. @throws FieldError with what is wrong */
export interface Schemas {
  readonly step: (value: unknown) => StepMetadata;
  readonly stepsJson: (value: unknown) => StepJson[];
  readonly runState: (value: unknown) => RunState;
}

/** openapi.yaml, parsed. It lies beside the sources, in the package too, of which this file may be a built copy. */
export function readDescription(): Record<string, unknown> {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'plugin/openapi.yaml')) && folder !== dirname(folder)) folder = dirname(folder);
  return parse(readFileSync(join(folder, 'plugin/openapi.yaml'), 'utf8')) as Record<string, unknown>;
}

/** The checks, compiled from openapi.yaml: a fifth of a second of work. */
export function compileSchemas(): Schemas {
  const ajv = new Ajv2020({ verbose: true, strict: false, strictNumbers: true, allowUnionTypes: true });
  ajv.addSchema(readDescription(), 'api');
  const checkOf = <T>(name: string): ((value: unknown) => T) => {
    const validate = ajv.getSchema(`api#/components/schemas/${name}`) as ValidateFunction<T>;
    return (value) => {
      if (!validate(value)) throw toFieldError(validate.errors ?? []);
      checkInherited(value as object);
      checkRelations(value as Partial<SentPosition & SentListing>);
      return value;
    };
  };
  const stepJson = checkOf<StepJson>('StepJson');
  return {
    step: checkOf<StepMetadata>('StepBody'),
    stepsJson: (value) => {
      // One by one: of a "one or many" the library would name what breaks either.
      const steps: unknown[] = Array.isArray(value) ? value : [value];
      if (steps.length < 1 || steps.length > MAX_STEPS) throw new FieldError('body', `must have 1 to ${MAX_STEPS} steps`, steps.length);
      checkConnections(steps.reduce((sum: number, step) => sum + lengthOf((step as Partial<SentListing> | null)?.order), 0));
      return steps.map(stepJson);
    },
    runState: checkOf<RunState>('RunState'),
  };
}

const lengthOf = (value: unknown): number => (Array.isArray(value) ? value.length : 0);

/** The library keeps which fields it knows in a plain object, where `constructor` is something too. */
function checkInherited(value: object): void {
  const name = Object.keys(value).find((key) => key in Object.prototype);
  if (name !== undefined) throw new FieldError(name, 'is not known here', null);
}

/** What a schema cannot say: one field against another; and each name once, also those that the library's own check loses (`__proto__`). */
function checkRelations(sent: Partial<SentPosition & SentListing>): void {
  const { rank, world_size, stage, stages, order, kinds, conventions, bounded } = sent;
  const below = (field: string, value: number | undefined, above: string, limit: number | undefined) => {
    if (value !== undefined && limit !== undefined && value >= limit)
      throw new FieldError(field, `must be below ${above} (${limit})`, value);
  };
  below('rank', rank, 'world_size', world_size);
  below('stage', stage, 'stages', stages);
  if ((stage ?? 0) > 0 && stages === undefined) throw new FieldError('stages', 'must be given with stage', null);
  if (order === undefined) return;
  const names = new Set<string>();
  for (const name of order) {
    if (names.has(name)) throw new FieldError('order', 'must have each name once', name);
    names.add(name);
  }
  for (const [field, list] of Object.entries({ kinds, conventions, bounded })) {
    if (list !== undefined && list.length !== order.length) {
      throw new FieldError(field, `must have one entry per connection of order (${order.length})`, list.length);
    }
  }
}

/** The first thing that is wrong, the deepest of those in alternatives. @param errors of a check with ajv's option `verbose` */
function toFieldError(errors: readonly ErrorObject[]): FieldError {
  const [first] = [...errors].sort((a, b) => depth(b) - depth(a));
  if (first === undefined) return new FieldError('body', 'does not follow openapi.yaml', null);
  const path = first.instancePath.slice(1).replaceAll('/', '.');
  const { missingProperty, unevaluatedProperty, additionalProperty, allowedValue, allowedValues } = first.params as Record<string, unknown>;
  const property = missingProperty ?? unevaluatedProperty ?? additionalProperty;
  const field = [path, property].filter((part) => part !== undefined && part !== '').join('.');
  const rule =
    missingProperty !== undefined
      ? 'must be given'
      : property !== undefined
        ? 'is not known here'
        : Array.isArray(allowedValues)
          ? `must be one of ${allowedValues.map(String).join(', ')}`
          : allowedValue !== undefined
            ? `must be ${String(allowedValue)}`
            : outside(first.instancePath, errors) ||
              alternatives(first.instancePath, errors) ||
              (first.message ?? 'does not follow openapi.yaml');
  const data = property === undefined ? first.data : (first.data as Record<string, unknown>)[String(property)];
  return new FieldError(short(field === '' ? 'body' : field), rule, shown(data));
}

/** Of a number that is too small or too large: its limit. Empty where it is none. */
const outside = (path: string, errors: readonly ErrorObject[]): string =>
  errors.find(({ instancePath, keyword }) => instancePath === path && /^(min|max)imum$/.test(keyword))?.message ?? '';

/** Of a value that fits none of several types: all of them. Empty where there is one. */
function alternatives(path: string, errors: readonly ErrorObject[]): string {
  const of = errors.filter((error) => error.instancePath === path);
  const types = of.filter(({ keyword }) => keyword === 'type').flatMap(({ params }) => [params['type']].flat().map(String));
  const words = of.flatMap(({ params }) => (params['allowedValues'] as unknown[] | undefined) ?? []).map(String);
  const all = [...new Set([...types, ...words])];
  return all.length > 1 ? `must be one of ${all.join(', ')}` : '';
}

const depth = ({ instancePath, keyword }: ErrorObject): number => instancePath.split('/').length - (/Of$|if/.test(keyword) ? 0.5 : 0);
