/** Asks the server. Addresses are relative to the page. */
import type {
  RightsAnswer,
  RunDetail,
  RunSummary,
  SeriesAnswer,
  StepAnswer,
  UploadAnswer,
  WarningAnswer,
} from '../../src/telemetry/api.ts';
import type { View } from '../model/view.ts';

/** The server refused; without any answer it is another error. */
export class RequestError extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** @throws RequestError; Error where there is no answer */
async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  const response = await fetch(`api/v1/${path}`, init);
  if (!response.ok) {
    const { error } = (await response.json().catch(() => ({}))) as { error?: { field: string; rule: string } };
    throw new RequestError(
      error === undefined ? `the server answered ${response.status}` : `${error.field} ${error.rule}`,
      response.status,
    );
  }
  return (await response.json()) as T;
}

const pathOf = (run: string) => `runs/${encodeURIComponent(run)}`;

/** Steps; null: as far as there are any. */
export type Range = Pick<View, 'from' | 'to'>;

/** Of whoever looks. */
export const askRights = () => request<RightsAnswer>('rights');
/** All runs, newest first. */
export const askRuns = () => request<RunSummary[]>('runs');
/** One run; 404: there is none. */
export const askRun = (run: string) => request<RunDetail>(pathOf(run));
/** Its newest step; 404: there is none. */
export const askLatest = (run: string) => request<StepAnswer>(`${pathOf(run)}/steps/latest`);
/** Oldest first. */
export const askWarnings = (run: string) => request<WarningAnswer[]>(`${pathOf(run)}/warnings`);
/** Says that it is known; comes back as it is then. */
export const acknowledge = (run: string, id: number) =>
  request<WarningAnswer>(`${pathOf(run)}/warnings/${id}/acknowledge`, { method: 'POST' });
/** Sends a recording; comes back with the name that it has got. */
export const upload = (file: Blob) => request<UploadAnswer>('recordings', { method: 'POST', body: file });

/** About `points` points at most; the server reduces by minimum and maximum. `connection` null: all, or a scalar of the run. */
export function askSeries(
  run: string,
  measure: string,
  points: number,
  { from, to }: Range,
  connection: string | null = null,
): Promise<SeriesAnswer> {
  const query = new URLSearchParams({ measure, points: String(points) });
  if (from !== null) query.set('from', String(from));
  if (to !== null) query.set('to', String(to));
  if (connection !== null) query.set('connection', connection);
  return request<SeriesAnswer>(`${pathOf(run)}/series?${query}`);
}
