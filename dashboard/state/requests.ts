/** Asks the server. Addresses are relative to the page. */
import type { RunDetail, RunSummary, SeriesAnswer, StepAnswer, UploadAnswer, WarningAnswer } from '../../src/telemetry/api.ts';

/** What the server says, or that it says nothing. */
export class AskError extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** @throws AskError; Error where there is no answer */
async function ask<T>(path: string, request: RequestInit = {}): Promise<T> {
  const response = await fetch(`api/v1/${path}`, request);
  if (!response.ok) {
    const { error } = (await response.json().catch(() => ({}))) as { error?: { field: string; rule: string } };
    throw new AskError(error === undefined ? `the server answered ${response.status}` : `${error.field} ${error.rule}`, response.status);
  }
  return (await response.json()) as T;
}

const run = (name: string) => `runs/${encodeURIComponent(name)}`;

export interface Range {
  from: number | null;
  to: number | null;
}

export const askRuns = () => ask<RunSummary[]>('runs');
export const askRun = (name: string) => ask<RunDetail>(run(name));
export const askLatest = (name: string) => ask<StepAnswer>(`${run(name)}/steps/latest`);
export const askWarnings = (name: string) => ask<WarningAnswer[]>(`${run(name)}/warnings`);
export const acknowledge = (name: string, id: number) => ask<WarningAnswer>(`${run(name)}/warnings/${id}/acknowledge`, { method: 'POST' });
export const upload = (file: Blob) => ask<UploadAnswer>('recordings', { method: 'POST', body: file });

/** @param points at most about as many; the server reduces by minimum and maximum */
export function askSeries(
  name: string,
  measure: string,
  points: number,
  { from, to }: Range,
  connections: string[] = [],
): Promise<SeriesAnswer> {
  const query = new URLSearchParams({ measure, points: String(points) });
  if (from !== null) query.set('from', String(from));
  if (to !== null) query.set('to', String(to));
  for (const connection of connections) query.append('connection', connection);
  return ask<SeriesAnswer>(`${run(name)}/series?${query}`);
}
