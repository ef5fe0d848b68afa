/** What the runbook says of each detector, and of the alerts on gainwatch itself. Words only. */
import type { RuleName } from '../../src/telemetry/warning.ts';

export interface Entry {
  /** What it means, and what happens if nobody does anything. */
  means: string;
  /** Where to look, likeliest cause first. */
  look: string[];
  /** What to do. */
  act: string[];
}

export const ENTRIES: Record<RuleName, Entry> = {
  'gain-forecast': {
    means:
      'The product of the H_res over the depth amplifies signals or gradients more and more: it may reach 100 or 1000 (warning, early), is forecast to reach 1000 (critical, later, with few false alarms) or, where all connections are mHC, half of what it can be at most (n / 2; critical). Both come at a steep rise; the early one also where the learning rate has just risen, as the gain follows it. Beyond 1000 activations and gradients overflow; the loss shows it late or only as NaN.',
    look: [
      'The named connection and the two other suspects: their own gain over the last hundreds of steps.',
      'The learning rate: a warm-up that is too short, a step up, a missing clip.',
      'Where all are mHC: the number of Sinkhorn iterations and the range of the logits.',
    ],
    act: [
      'Save a checkpoint now: it is still good.',
      'Cut the learning rate (to a third is a good first try) and see whether the steps left grow.',
      'If it goes on: go back to the checkpoint before the rise, clip the gradient norm, or change the connections to mHC.',
    ],
  },
  'runaway-connection': {
    means:
      'One connection leaves its peers: its own gain (HC) or the range of its logits (mHC) grows while the median connection stays. The composite gain may not show it yet, as the other connections give way.',
    look: [
      'Whether that connection has a learning rate, weight decay or initialisation of its own.',
      'Its logits: b_res, the α of the dynamic part, a loaded checkpoint that does not fit.',
    ],
    act: ['Save a checkpoint.', 'Put the parameters of that connection into the common optimizer group, or lower their learning rate.'],
  },
  collapse: {
    means:
      'The residual streams become one: the separation of the composite falls towards 0, or a row or column of one H_res has lost most of its mass. The model goes on to train, but as one with a single stream.',
    look: [
      'Sinkhorn: one to three iterations are too few once the logits have grown.',
      'The start: H_res that mix evenly (no identity, as in transformers and lucidrains) collapse over the depth from the first step. That is a warning only, as nothing was lost.',
    ],
    act: ['Use 20 Sinkhorn iterations.', 'Start near the identity (b_res with a high diagonal).', 'Lower the learning rate of the logits.'],
  },
  'deviation-drift': {
    means:
      'An mHC connection is no longer doubly stochastic: Sinkhorn stops before it has converged. Its gain is then free to grow in the direction that is not normalised last.',
    look: [
      'The range of its logits: above 30 Sinkhorn does not converge in 20 iterations.',
      'The number of iterations.',
      'Sinkhorn in half precision.',
    ],
    act: ['More iterations, in float32.', 'Weight decay or a lower learning rate on the logits.'],
  },
  'dead-routing': {
    means:
      'An mHC connection has become a permutation and its logits get no gradient any more: it will stay one. A start near the identity is no dead routing, as its gradient lives.',
    look: ['The range of its logits, and when its entropy fell.', 'A spike of the loss or the gradient before it.'],
    act: [
      'Go back to a checkpoint before it, with a lower learning rate on the logits.',
      'If the loss is fine, let it be: the model does without this freedom.',
    ],
  },
  nonfinite: {
    means:
      'NaN or infinite values in the matrices, the gain, the loss or the gradient. Every threshold is blind to NaN, so this stands beside each of them.',
    look: [
      'Which connection had them first.',
      'The composite gain just before.',
      'Half precision, a division by a sum of 0, a broken batch.',
    ],
    act: ['Stop: further steps only spread it.', 'Go back to a checkpoint before the first warning of the run.'],
  },
  stalled: {
    means: 'The run has made no step for much longer than usual, and it has not ended.',
    look: [
      'The process: waiting for data, for a lock, for a device that is gone.',
      'Evaluation or saving in the loop that takes longer than usual.',
    ],
    act: ['Look at the process and its log; restart from the last checkpoint if it hangs.'],
  },
  'loss-spike': {
    means: 'The loss jumped far above what it used to be. Context for other warnings, never an alarm by itself.',
    look: ['The batch of that step.', 'Whether the gain rose before it.'],
    act: ['Nothing, if it comes back. Skip the batch if it returns at the same place in the data.'],
  },
  'gradient-spike': {
    means: 'The norm of the gradient jumped far above what it used to be. Context for other warnings, never an alarm by itself.',
    look: ['The batch of that step.', 'The backward composite gain: it multiplies the gradient.'],
    act: ['Clip the gradient norm if spikes are frequent.'],
  },
};

/** Of alerts without a detector, by their names. */
export const MONITOR_ENTRIES: Record<string, Entry> = {
  MhcSamplesDropped: {
    means: 'Watched steps were not taken in: the picture has gaps, the training is not touched.',
    look: ['The log of the training: a full disk, a monitor thread that does not keep up.'],
    act: ['Watch every k-th step (`every`) or fewer token positions (`tokens`).', 'Make room on the disk of the recordings.'],
  },
  MhcMonitorErrors: {
    means: 'gainwatch itself met faults. The training goes on.',
    look: ['The log of the training: each kind of fault is said once.'],
    act: ['Mend what it says; report it if it is a fault of gainwatch.'],
  },
  MhcMonitorGone: {
    means: 'The target answered within the last ten minutes and answers no more: the training ended, or its process died.',
    look: ['How the run ended: `mhc_run_outcome`, or the recording (`gainwatch serve`).'],
    act: ['Nothing if it ended. Use `close({ lingerSeconds })` so that Prometheus still scrapes the outcome.'],
  },
};
