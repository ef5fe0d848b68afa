/** A run that goes on for as long as a test wants: a step each tenth of a second over HTTP, however busy the machine is. */
import { setTimeout as pause } from 'node:timers/promises';

/** Ten steps a second: as the demo on two cores. */
const PAUSE_MS = 100;
const CONNECTIONS = 6;
/** Steps in which the gain grows e-fold: it is warned of within some seconds. */
const GROWTH_STEPS = 60;

export interface PacedRun {
  /** Steps that the server has taken. */
  steps(): number;
  /** Closes the run as completed. @throws Error where a step was refused */
  finish(): Promise<void>;
}

/** Begins at once, as run hc of free connections. `url` is the server's, with its base path. */
export function startPacedRun(url: string): PacedRun {
  const order = Array.from({ length: CONNECTIONS }, (_, l) => `block${l >> 1}.${l % 2 === 0 ? 'attention' : 'mlp'}`);
  let steps = 0;
  let isOver = false;
  const post = async (path: string, method: string, body: object) => {
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch(`${url}api/v1/runs/hc${path}`, { method, headers, body: JSON.stringify({ attempt: 'first', ...body }) });
    if (!response.ok) throw new Error(`${method} hc${path}: ${response.status} ${await response.text()}`);
  };
  const train = async () => {
    await post('', 'PUT', { state: 'open', streams: 4, order });
    while (!isOver) {
      const step = steps + 1;
      const gain = Math.exp(step / GROWTH_STEPS + 0.01 * Math.sin(12.9898 * step));
      const ofEach = (value: (l: number) => number) => order.map((_, l) => value(l));
      await post('/steps', 'POST', {
        step,
        order,
        time: Date.now(),
        loss: 4 - step / 1000,
        gradient_norm: 1,
        learning_rate: 0.01,
        measures: {
          forwardGain: ofEach((l) => gain ** (l === 3 ? 1 : 0)),
          backwardGain: ofEach(() => 1),
          compositeForwardGain: ofEach((l) => gain ** (l >= 3 ? 1 : 0)),
          compositeBackwardGain: ofEach((l) => gain ** (l <= 3 ? 1 : 0)),
        },
      });
      steps = step;
      await pause(PAUSE_MS);
    }
  };
  const training = train();
  // Said by `finish`.
  training.catch(() => {});
  return {
    steps: () => steps,
    finish: async () => {
      isOver = true;
      await training;
      await post('', 'PUT', { state: 'closed', outcome: 'completed' });
    },
  };
}
