/** A client of the live stream (server-sent events), for tests. */
import { onTestFinished } from 'vitest';
import type { Service } from '../../dist/plugin/service.js';
import type { ConnectionsAnswer, GoneAnswer, RunSummary, StepAnswer, WarningAnswer } from '../../src/telemetry/api.ts';

interface Data {
  step: StepAnswer;
  run: RunSummary;
  connections: ConnectionsAnswer;
  warning: WarningAnswer;
  gone: GoneAnswer;
  beat: null;
}

/** Connected when it resolves: what happens from then on comes to it, until the end of the test. */
export async function connectStream(service: Pick<Service, 'url'>, query = '', lastEventId?: string) {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const headers = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
  const response = await fetch(`${service.url}api/v1/stream${query}`, { signal: abort.signal, headers });
  const received: Map<string, string>[] = [];
  let onEvents = () => {};
  const read = async () => {
    let text = '';
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + part).split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) {
        received.push(new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)])));
      }
      onEvents();
    }
  };
  read().catch(() => {}); // ended by the test
  return {
    /** The events of a kind, once so many have come. */
    events: async <E extends keyof Data>(event: E, count: number): Promise<{ id: string; data: Data[E] }[]> => {
      for (;;) {
        const found = received.filter((fields) => fields.get('event') === event);
        if (found.length >= count)
          return found.map((fields) => ({ id: fields.get('id') ?? '', data: JSON.parse(fields.get('data') ?? '') }));
        await new Promise<void>((resolve) => {
          onEvents = resolve;
        });
      }
    },
  };
}
