/**
 * Dead routing of an mHC connection: H_res is a permutation (no entropy) and its logits get no gradient any more, so it
 * will stay one. A start near the identity has little entropy too, but its gradient lives.
 */
import { type Detector, finding } from '../detector.ts';
import { MIN_ENTROPY, MIN_ENTROPY_STEPS } from '../limits.ts';
import { measureOf } from '../shared.ts';
import { medianOf } from '../smoothing.ts';
import { createWarmth, isWarm, updateWarmth, type WarmthState } from '../warmth.ts';
import { digits, LAYER, RUN, type RuleEntry, type WordsOf } from '../words.ts';

/** Share of its own earlier median below which a gradient is dead. Our choice: no schedule of a learning rate takes that much of it. */
const MIN_GRADIENT = 0.01;
/**
 * Every which step's gradient is remembered at first, and how many of them at most. Our choice: some hundred bytes for a run of
 * any length.
 */
const STRIDE_STEPS = 10;
const MAX_GRADIENTS = 64;

export interface RoutingState {
  warmth: WarmthState;
  /** Of the last report. */
  step: number;
  /** Gradients of the past, [L] lists; thinned out to every second one where full. */
  gradients: number[][];
  /** Every which of the remembered steps is kept now, [L]. */
  stride: number[];
  /** Step at which each connection was last seen alive, [L]. */
  alive: number[];
}

export const deadRouting: Detector<RoutingState> = {
  rule: 'dead-routing',
  // Our choice: it is found after MIN_ENTROPY_STEPS only.
  patience: { confirm: 1, clear: 100 },
  create: ({ connections }) => ({
    warmth: createWarmth(),
    step: 0,
    gradients: connections.map(() => []),
    stride: connections.map(() => STRIDE_STEPS),
    alive: connections.map(() => 0),
  }),
  update(state, { header, report }) {
    const { step } = report;
    updateWarmth(state.warmth, report.learningRate);
    const warm = isWarm(state.warmth);
    header.connections.forEach(({ kind }, l) => {
      if (kind !== 'mhc') return;
      const gradient = measureOf(header, report, 'logitGradient', l);
      const past = state.gradients[l];
      const quiet = past.length > 0 && gradient < MIN_GRADIENT * medianOf(past);
      if (!quiet && gradient >= 0) addGradient(state, l, step, gradient);
      if (!warm || !quiet || !(measureOf(header, report, 'routingEntropy', l) < MIN_ENTROPY)) state.alive[l] = step;
    });
    state.step = step;
  },
  move(state, before, after) {
    const places = new Map(before.connections.map(({ name }, l) => [name, l]));
    const moved = <T>(values: readonly T[], none: () => T) => after.connections.map(({ name }) => values[places.get(name) ?? -1] ?? none());
    state.gradients = moved(state.gradients, () => []);
    state.stride = moved(state.stride, () => STRIDE_STEPS);
    state.alive = moved(state.alive, () => state.step);
  },
  judge({ alive }, { header, report }) {
    const deadSteps = (l: number) => report.step - alive[l];
    const dead = [...alive.keys()].filter((l) => header.connections[l].kind === 'mhc' && deadSteps(l) >= MIN_ENTROPY_STEPS);
    if (dead.length === 0) return null;
    const [worst] = dead;
    return finding(header, report, 'fire', {
      severity: 'warning',
      measure: 'routingEntropy',
      value: measureOf(header, report, 'routingEntropy', worst),
      threshold: MIN_ENTROPY,
      suspects: dead,
      cause: { kind: 'dead-routing', figures: { steps: deadSteps(worst) } },
    });
  },
};

/** The first report at or after each multiple of the stride, as not every step may be watched. */
function addGradient(state: RoutingState, l: number, step: number, gradient: number): void {
  if (Math.floor(step / state.stride[l]) === Math.floor(state.step / state.stride[l])) return;
  const past = state.gradients[l];
  past.push(gradient);
  if (past.length < MAX_GRADIENTS) return;
  state.gradients[l] = past.filter((_, i) => i % 2 === 1);
  state.stride[l] *= 2;
}

export const routingWords: WordsOf<'dead-routing'> = {
  'dead-routing': ({ facts: { value }, figures: { steps }, name, of }) => [
    `${name}${of} has routed hard for ${steps} steps (entropy ${digits(100 * value)} % of its maximum) and its logits get no gradient: ` +
      'it will not change any more',
  ],
};

export const routingEntry: RuleEntry = {
  alert: 'MhcDeadRouting',
  summary: `${LAYER} of ${RUN} routes hard and does not learn any more.`,
  description: `Its entropy and the gradient of its logits have been below ${100 * MIN_ENTROPY} % for ${MIN_ENTROPY_STEPS} steps.`,
  means:
    'An mHC connection has become a permutation and its logits get no gradient any more: it will stay one. A start near the identity is no dead routing, as its gradient lives.',
  look: ['The range of its logits, and when its entropy fell.', 'A spike of the loss or the gradient before it.'],
  act: [
    'Go back to a checkpoint before it, with a lower learning rate on the logits.',
    'If the loss is fine, let it be: the model does without this freedom.',
  ],
};
