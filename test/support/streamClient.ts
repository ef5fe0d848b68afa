/** A client of the live stream (server-sent events), for tests. */
import { onTestFinished } from 'vitest';
import type { Service } from '../../dist/plugin/service.js';
import type { RunSummary, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';

interface Data {
  step: StepAnswer;
  run: RunSummary;
  warning: WarningAnswer;
  beat: null;
}

export interface StreamEvent<T> {
  id: string;
  data: T;
}

export interface StreamClient {
  /** The events of a kind, once so many have come. */
  events<E extends keyof Data>(event: E, count: number): Promise<StreamEvent<Data[E]>[]>;
}

/** Connected when it resolves: what happens from then on comes to it, until the end of the test. */
export async function connectStream(service: Pick<Service, 'url'>, query = '', lastEventId?: string): Promise<StreamClient> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const headers = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
  const response = await fetch(`${service.url}api/v1/stream${query}`, { signal: abort.signal, headers });
  const received: { event: string; id: string; data: string }[] = [];
  let onEvents = () => {};
  const read = async () => {
    let text = '';
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + part).split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) {
        const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
        received.push({ event: fields.get('event') ?? '', id: fields.get('id') ?? '', data: fields.get('data') ?? '' });
      }
      onEvents();
    }
  };
  read().catch(() => {}); // ended by the test
  return {
    events: async (event, count) => {
      for (;;) {
        const found = received.filter((one) => one.event === event);
        if (found.length >= count) return found.map(({ id, data }) => ({ id, data: JSON.parse(data) }));
        await new Promise<void>((resolve) => {
          onEvents = resolve;
        });
      }
    },
  };
}
