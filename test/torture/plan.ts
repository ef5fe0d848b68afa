/** What a seed says: which trainings there are, and what befalls the server when. Pure: the same seed, the same plan. */
import { seededRandom } from '../../src/model/random.ts';
import type { AttemptPlan, Training } from './truth.ts';

export const FAULTS = [
  'kill',
  'stop',
  'full disk',
  'read-only folder',
  'lock',
  'clock',
  'file handles',
  'second server',
  'move',
  'delete',
] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface FaultPlan {
  readonly kind: FaultKind;
  /** When it begins, and how long it lasts, ms. */
  readonly at: number;
  readonly ms: number;
  /** Which recording, which offset …: 0 ≤ pick < 1. */
  readonly pick: number;
}

/** Somebody who is none of a training's, and uses its name. */
export interface StrangerPlan {
  readonly at: number;
  readonly what: 'step without attempt' | 'step of another attempt' | 'close without attempt';
  /** Of the run that is meant. */
  readonly run: string;
  /** What it sends: a training of its own, of a few steps. */
  readonly training: Training;
}

export interface Plan {
  readonly seed: number;
  /** How long trainings send and faults befall, ms. */
  readonly ms: number;
  readonly trainings: readonly Training[];
  readonly faults: readonly FaultPlan[];
  readonly strangers: readonly StrangerPlan[];
}

type Draw = ReturnType<typeof drawsOf>;

function drawsOf(uniform: () => number) {
  const below = (limit: number) => Math.floor(uniform() * limit);
  return {
    uniform,
    /** A whole number from low to high. */
    whole: (low: number, high: number) => low + below(high - low + 1),
    of: <T>(list: readonly T[]): T => list[below(list.length)],
    chance: (probability: number) => uniform() < probability,
  };
}

/** @param ms how long trainings send. @param steps of each attempt at most */
export function planOf(seed: number, ms: number, steps: number): Plan {
  const draw = drawsOf(seededRandom(seed));
  const trainings: Training[] = [];
  const count = draw.whole(3, 5);
  for (let id = 0; id < count; id++) trainings.push(trainingOf(draw, id, ms, steps, trainings));
  const keyed = trainings.filter(({ run, key }) => key !== null && trainings.every((other) => other.run !== run || other.key !== null));
  const strangers =
    keyed.length === 0 ? [] : Array.from({ length: draw.whole(0, 4) }, (_, i) => strangerOf(draw, i, ms, draw.of(keyed).run));
  return { seed, ms, trainings, strangers, faults: faultsOf(draw, ms) };
}

function trainingOf(draw: Draw, id: number, ms: number, steps: number, before: readonly Training[]): Training {
  const named = draw.chance(0.85);
  const [ranks, stages] = named
    ? draw.of([
        [1, 1],
        [1, 1],
        [2, 1],
        [2, 2],
        [3, 1],
        [4, 2],
        [4, 1],
      ])
    : [1, 1];
  // A run without attempts can only be one training's; others share a name now and then.
  const shared = before.filter(({ attempts }) => attempts[0].name !== '');
  const run = named && shared.length > 0 && draw.chance(0.35) ? draw.of(shared).run : `train-${id}`;
  const key = named && draw.chance(0.7) ? `key-of-${id}-${draw.whole(1e6, 9e6)}` : null;
  const stepMs = draw.of([20, 30, 50, 100]);
  const at = draw.whole(0, ms / 4);
  // Without a name a step back begins the next attempt, with all of its body.
  const isShuffled = draw.chance(0.4) && named;
  const attempts = Array.from({ length: named ? draw.whole(1, 3) : 1 }, () => null).map((_, i, all): AttemptPlan => {
    const length = Math.min(steps, Math.ceil((ms - at) / stepMs / all.length));
    const first = i === 0 ? 1 : draw.whole(1, length);
    const order = Array.from({ length }, (_, k) => first + k);
    const isLast = i === all.length - 1;
    // Without a key the next attempt may begin only when this one has ended.
    return {
      name: named ? `${id}-${i}-${draw.whole(1e6, 9e6)}` : '',
      order: isShuffled ? disorder(draw, order) : order,
      closes: isLast || key === null || draw.chance(0.5),
    };
  });
  const batch = draw.of([1, 5, 20, 50]);
  const form = draw.of(['json', 'matrices'] as const);
  return {
    id,
    run,
    key,
    ranks,
    stages,
    layers: draw.whole(1, 3),
    form,
    opens: draw.chance(0.7),
    attempts,
    stepMs,
    batch,
    resends: draw.of([0, 0.1, 0.3]),
    at,
  };
}

/** Stretches of up to 100 steps change their places with the next one, as of a sender that sends the newer first. */
function disorder(draw: Draw, order: readonly number[]): number[] {
  const out: number[] = [];
  for (let i = 0; i < order.length; ) {
    const size = draw.whole(1, 100);
    const [a, b] = [order.slice(i, i + size), order.slice(i + size, i + 2 * size)];
    out.push(...(draw.chance(0.5) ? [...b, ...a] : [...a, ...b]));
    i += 2 * size;
  }
  return out;
}

function strangerOf(draw: Draw, index: number, ms: number, run: string): StrangerPlan {
  const what = draw.of(['step without attempt', 'step of another attempt', 'close without attempt'] as const);
  const id = 1000 + index;
  const attempt: AttemptPlan = {
    name: what === 'step of another attempt' ? `stranger-${id}` : '',
    order: [draw.whole(1, 200)],
    closes: false,
  };
  const plain = { key: null, ranks: 1, stages: 1, layers: 1, form: 'json', opens: false, stepMs: 10, batch: 1, resends: 0 } as const;
  // Late enough that the run is its training's.
  const at = draw.whole(ms / 2, ms);
  return { at, what, run, training: { id, run, ...plain, attempts: [attempt], at } };
}

/** Longest of each, ms; our choice: shorter and longer than what the server waits. */
const LONGEST_MS: Record<FaultKind, number> = {
  kill: 1500,
  stop: 5000,
  'full disk': 6000,
  'read-only folder': 5000,
  lock: 8000,
  clock: 0,
  'file handles': 4000,
  'second server': 0,
  move: 0,
  delete: 0,
};

/** Each kind at least once, and some more, anywhere in the time. */
function faultsOf(draw: Draw, ms: number): FaultPlan[] {
  const kinds: FaultKind[] = [...FAULTS, 'kill', 'kill', ...Array.from({ length: draw.whole(0, 5) }, () => draw.of(FAULTS))];
  // There must be a recording to hit.
  const earliest = (kind: FaultKind) => (['lock', 'move', 'delete'].includes(kind) ? Math.floor(ms / 3) : 500);
  const fault = (kind: FaultKind): FaultPlan => ({
    kind,
    at: draw.whole(earliest(kind), ms),
    ms: draw.whole(0, LONGEST_MS[kind]),
    pick: draw.uniform(),
  });
  return kinds.map(fault).sort((a, b) => a.at - b.at);
}
