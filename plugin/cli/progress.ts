/** Progress of the demo: a bar on a terminal, a line now and then elsewhere. */
import { SingleBar } from 'cli-progress';
import { firstWarning } from './results.ts';
import type { Trainee } from './trainee.ts';

export interface Progress {
  step(step: number, trainees: readonly Trainee[]): void;
  stop(): void;
}

const seconds = (ms: number) =>
  ms >= 60_000 ? `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s` : `${Math.round(ms / 1000)} s`;
function shown({ name, losses, milliseconds, monitor }: Trainee): string {
  const warned = firstWarning(monitor)?.step;
  const gain = name === 'residual' ? '' : `, G ${monitor.compositeGain?.toPrecision(3) ?? '…'}`;
  return `${name} loss ${losses.at(-1)!.toFixed(2)}, ${milliseconds.at(-1)!.toFixed(0)} ms${gain}${warned === undefined ? '' : `, warned at ${warned}`}`;
}

/** @param mayEndEarly `total` is the most that may come */
export function createProgress(total: number, mayEndEarly: boolean, stream: NodeJS.WriteStream): Progress {
  const start = performance.now();
  const left = (step: number) => `${mayEndEarly ? 'at most ' : ''}${seconds(((performance.now() - start) / step) * (total - step))} left`;
  if (!stream.isTTY) {
    return {
      step: (step, trainees) => {
        if (step === 1 || step % 20 === 0 || step === total) {
          stream.write(`step ${step}/${total} | ${trainees.map(shown).join(' | ')} | ${left(step)}\n`);
        }
      },
      stop: () => {},
    };
  }
  const bar = new SingleBar({ stream, format: '{bar} {value}/{total} | {trainees} | {left}', barsize: 16, hideCursor: null });
  bar.start(total, 0, { trainees: '', left: '…' });
  return {
    step: (step, trainees) => bar.update(step, { trainees: trainees.map(shown).join(' | '), left: left(step) }),
    stop: () => bar.stop(),
  };
}
