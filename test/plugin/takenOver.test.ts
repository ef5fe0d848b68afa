/** A run without a step that another training takes over: the first one is told of a free name, whatever its connections are. */
import { expect, test } from 'vitest';
import { start } from '../support/service.ts';
import { send } from '../support/wire.ts';

const open = (attempt: string, order: string[]) => JSON.stringify({ state: 'open', streams: 4, order, attempt });
const keyed = (key: string) => ({ 'Content-Type': 'application/json', 'Gainwatch-Key': key });

test('the training before hears of a free name, not of the other one’s connections', async () => {
  const service = await start();
  await send(service, 'runs/train', open('a', ['x']), keyed('key-of-the-first'), 'PUT');
  await send(service, 'runs/train', open('b', ['x', 'y']), keyed('key-of-the-second'), 'PUT');
  await send(service, 'runs/train/steps', JSON.stringify({ step: 1, attempt: 'b', order: ['x', 'y'] }), keyed('key-of-the-second'));
  const step = JSON.stringify({ step: 1, attempt: 'a', order: ['x'] });
  const { status, answer } = await send(service, 'runs/train/steps', step, keyed('key-of-the-first'));
  expect([status, answer.error]).toMatchObject([409, { field: 'run', free: 'train-2' }]);
  expect((await send(service, 'runs/train-2/steps', step, keyed('key-of-the-first'))).status).toBe(200);
});
