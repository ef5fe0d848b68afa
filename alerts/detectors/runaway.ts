/**
 * A connection that runs away from the others: its own gain (HC) or the range of its logits (mHC) grows while that of its
 * peers does not. The composite gain may stay where it is meanwhile, as the rest of the model gives way.
 */
import { type Detector, finding } from '../detector.ts';
import { outliersOf } from '../growth.ts';
import { MIN_LOGIT_RANGE } from '../limits.ts';
import { measureOf, watchedConnections } from '../shared.ts';
import { growthPhrase, LAYER, PAIRED, RUN, type RuleEntry, type WordsOf } from '../words.ts';

/**
 * Growth of the logarithm beyond the median connection's, and in robust deviations of the peers; and the value below which nothing
 * is amiss. Our choice: a gain that is up by a quarter (e^0.25), or logits by half, and six deviations, as there are many
 * connections and steps.
 */
const GROWTH = {
  gain: { least: 0.25, deviations: 6, floor: 0 },
  logitRange: { least: 0.4, deviations: 6, floor: MIN_LOGIT_RANGE },
} as const;

export const runawayConnection: Detector<null> = {
  rule: 'runaway-connection',
  // Our choice: no accident of a few steps, and no end while the peers catch up.
  patience: { confirm: 5, clear: 100 },
  judge(_state, { header, report, shared }) {
    const connections = watchedConnections(header);
    for (const what of ['gain', 'logitRange'] as const) {
      const { least, deviations, floor } = GROWTH[what];
      const outliers = outliersOf(shared[what], least, deviations);
      const positions = outliers.positions.filter((k) => Math.exp(shared[what].fast[k]) >= floor);
      if (positions.length === 0) continue;
      const suspects = positions.map((k) => connections[what][k]);
      const [worst] = suspects;
      const growth = Math.exp(shared[what].growth[positions[0]]);
      const isForward = measureOf(header, report, 'forwardGain', worst) >= measureOf(header, report, 'backwardGain', worst);
      return finding(header, report, 'fire', {
        severity: 'warning',
        measure: what === 'logitRange' ? what : isForward ? 'forwardGain' : 'backwardGain',
        value: growth,
        threshold: Math.exp(outliers.limit),
        suspects,
        cause: { kind: 'runaway', figures: { growth, usualGrowth: Math.exp(outliers.usual) } },
      });
    }
    return null;
  },
};

export const runawayWords: WordsOf<'runaway'> = {
  runaway: ({ facts: { measure }, figures, name, of }) => [
    `${name}${of} runs away from the others: its ${measure === 'logitRange' ? 'range of the logits' : 'gain'} is ${growthPhrase(figures)}`,
    'Look at its learning rate and its logits.',
  ],
};

export const runawayEntry: RuleEntry = {
  alert: 'MhcRunawayConnection',
  summary: `${LAYER} of ${RUN} runs away from the other connections.`,
  description: 'Its gain, or the range of its logits, grows while that of its peers does not.',
  pairedWith: PAIRED,
  means:
    'One connection leaves its peers: its own gain (HC) or the range of its logits (mHC) grows while the median connection stays. The composite gain may not show it yet, as the other connections give way.',
  look: [
    'Whether that connection has a learning rate, weight decay or initialisation of its own.',
    'Its logits: b_res, the α of the dynamic part, a loaded checkpoint that does not fit.',
  ],
  act: ['Save a checkpoint.', 'Put the parameters of that connection into the common optimizer group, or lower their learning rate.'],
};
