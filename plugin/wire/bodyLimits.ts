/** What all steps of one body may have together, so that no small body becomes a large one. Counted before anything is built of a step. */
import type { ConnectionInfo } from '../../src/telemetry/sample.ts';
import { FieldError } from '../fieldError.ts';

/** Our choice: four times what a batch of 512 steps has of 122 connections. */
const MAX_CONNECTIONS = 131_072;
/** Of H_res, layers · tokens · n²; also of stages that are analysed as one. Our choice: what the largest body, 16 MiB, holds in float32. */
export const MAX_VALUES = 4 * 2 ** 20;
/** Each once, unless a step says something else of it. Our choice: what a whole run may have. */
const MAX_LISTED = 8192;

/** What the steps of a body have had so far. */
export interface BodyCounts {
  connections: number;
  values: number;
  listed: number;
  /** Connections by name, as the last step that named each had them. */
  readonly infos: Map<string, ConnectionInfo>;
}
/** Of a body of which no step was looked at. */
export const createBodyCounts = (): BodyCounts => ({ connections: 0, values: 0, listed: 0, infos: new Map() });

/** @param connections of all steps of a body. @throws FieldError 413 where they are too many */
export function checkConnections(connections: number): void {
  check(connections, MAX_CONNECTIONS, 'connections, those of its steps added up');
}

/** Counts a step. @param values layers · tokens · n² of H_res. @throws FieldError 413 where the body has too many by now */
export function addStepCounts(counts: BodyCounts, layers: number, values: number): void {
  counts.connections += layers;
  counts.values += values;
  checkConnections(counts.connections);
  check(counts.values, MAX_VALUES, 'values of H_res, layers · tokens · n² of its steps added up');
}

/** Counts a connection that is named for the first time, or otherwise. @throws FieldError 413 where the body has too many different ones */
export function addListed(counts: BodyCounts): void {
  counts.listed++;
  check(counts.listed, MAX_LISTED, 'connections that differ, in name or kind');
}

/**
 * Checks what the steps of a body become: each has all connections that its run has by then.
 * @param streams n
 * @throws FieldError 413 where they are too many
 */
export function checkWhole(steps: number, connections: number, streams: number): void {
  check(steps * connections, MAX_CONNECTIONS, 'connections, those of its run counted for each of its steps');
  check(steps * connections * streams ** 2, MAX_VALUES, 'values of H_res, n² for each connection of its run in each of its steps');
}

function check(got: number, limit: number, what: string): void {
  if (got > limit) throw new FieldError('body', `must have at most ${limit} ${what}`, got, 413);
}
