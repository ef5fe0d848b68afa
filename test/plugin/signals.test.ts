import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { watchSignals } from '../../plugin/signals.ts';

test('handlers are on only while the loop yields; a signal ends every run once, then goes on its way', async () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  onTestFinished(() => kill.mockRestore());
  const others = process.listenerCount('SIGTERM');
  const ended: string[] = [];
  let finishFirst: () => void = () => {};
  const first = watchSignals(async (how) => {
    ended.push(`first ${how}`);
    await new Promise<void>((resolve) => {
      finishFirst = resolve;
    });
  });
  const second = watchSignals(async (how) => {
    ended.push(`second ${how}`);
  });
  first.stepped();
  second.stepped(); // no turn of the event loop so far
  expect(process.listenerCount('SIGTERM')).toBe(others);
  await turn();
  first.stepped();
  expect(process.listenerCount('SIGTERM')).toBe(others + 1);
  second.stepped(); // a loop that stopped yielding
  expect(process.listenerCount('SIGTERM')).toBe(others);
  await turn();
  second.stepped();
  process.emit('SIGTERM', 'SIGTERM');
  expect(ended).toEqual(['first interrupted', 'second interrupted']);
  await turn();
  second.stepped(); // the training goes on while the first is still written: no handler comes back, nobody dies
  expect(process.listenerCount('SIGTERM')).toBe(others);
  expect(kill).not.toHaveBeenCalled();
  finishFirst();
  await turn();
  if (others === 0) expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, 'SIGTERM');
  first.dispose();
  second.dispose();
});
