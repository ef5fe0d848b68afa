/** Asks the server. Addresses are relative to the page. */
import type { RunDetail, RunSummary, SeriesAnswer, StepAnswer } from '../src/telemetry/api.ts';

async function ask<T>(path: string): Promise<T> {
  const response = await fetch(`api/v1/${path}`);
  if (!response.ok) {
    const { error } = (await response.json().catch(() => ({}))) as { error?: { field: string; rule: string } };
    throw new Error(error === undefined ? `the server answered ${response.status}` : `${error.field} ${error.rule}`);
  }
  return (await response.json()) as T;
}

const run = (name: string) => `runs/${encodeURIComponent(name)}`;

export const askRuns = () => ask<RunSummary[]>('runs');
export const askRun = (name: string) => ask<RunDetail>(run(name));
export const askLatest = (name: string) => ask<StepAnswer>(`${run(name)}/steps/latest`);
export const askSeries = (name: string, measure: string, points: number) =>
  ask<SeriesAnswer>(`${run(name)}/series?measure=${measure}&points=${points}`);
