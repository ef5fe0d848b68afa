/** The metrics of each run as a whole: its training, its warnings, and what gainwatch itself cost and lost. */
import { define, type MetricDefinition, ofRun, ofRuns } from './definition.ts';

const TRAINING: readonly MetricDefinition[] = [
  ofRun(
    'mhc_composite_gain_ratio',
    'G: the largest composite gain of any prefix (forward) or suffix (backward).',
    ({ last }) => last?.compositeGain,
  ),
  ofRun('mhc_training_steps_total', 'Training steps done, watched or not.', ({ stepsTotal }) => stepsTotal),
  ofRun('mhc_training_loss', 'Loss of the last watched step.', ({ last }) => last?.loss),
  ofRun('mhc_training_gradient_norm', 'Norm of the whole gradient, before clipping.', ({ last }) => last?.gradientNorm),
  ofRun('mhc_training_learning_rate', 'Learning rate of the last watched step.', ({ last }) => last?.learningRate),
  ofRun('mhc_training_last_step_timestamp_seconds', 'When the last watched step ended, Unix time.', ({ last }) =>
    last === null ? null : last.time / 1000,
  ),
  ofRuns('mhc_training_memory_bytes', 'Memory of the run; allocated is what the backend holds after the step.', ['kind'], ({ last }) =>
    [...(last?.memory?.totals ?? [])].map(([kind, bytes]) => [{ kind }, bytes]),
  ),
  ofRuns('mhc_run_info', 'What each run is; always 1.', ['attempt', 'streams', 'tokens'], ({ run: { header, attempt } }) => [
    [{ attempt: String(attempt), streams: String(header.streams), tokens: String(header.tokens) }, 1],
  ]),
  define(
    'mhc_run_outcome',
    'How a run ended (completed, interrupted, failed, unknown); always 1. Absent while it goes on.',
    ['run', 'outcome'],
    // Of runs that are gone too: only this stays of them.
    ({ state }) =>
      [...state.values()].flatMap(({ run }) => (run.outcome === null ? [] : [[{ run: run.header.run, outcome: run.outcome }, 1]])),
  ),
];

const WARNING: readonly MetricDefinition[] = [
  ofRuns(
    'mhc_gain_forecast_steps',
    'Training steps until the composite gain reaches the threshold if it goes on as now; +Inf: it does not rise.',
    ['threshold'],
    ({ run }) => run.detection.detectors.forecast.map(({ threshold, steps }) => [{ threshold: String(threshold) }, steps]),
  ),
  ofRuns(
    'mhc_warning_active',
    'A warning that holds; always 1. layer is empty where it concerns the run as a whole. Absent once the run has ended.',
    ['rule', 'severity', 'layer'],
    ({ run: { detection, outcome } }) =>
      outcome !== null
        ? []
        : detection.detectors.active.map(({ rule, severity, connection }) => [{ rule, severity, layer: connection ?? '' }, 1]),
  ),
  ofRuns('mhc_warnings_total', 'Warnings raised.', ['rule', 'severity'], ({ warningsTotal }) =>
    warningsTotal.map(({ count, ...labels }) => [labels, count]),
  ),
];

const MONITOR: readonly MetricDefinition[] = [
  ofRun('mhc_monitor_overhead_seconds_total', 'Time of the training thread spent in gainwatch.', ({ run }) => run.monitor.overheadSeconds),
  ofRun(
    'mhc_monitor_samples_dropped_total',
    'Watched steps that were not taken in.',
    ({ run }) => run.monitor.samplesDropped + run.dropped,
  ),
  ofRun('mhc_monitor_errors_total', 'Faults of gainwatch itself; none touches the training.', ({ run }) => run.monitor.errors + run.errors),
  ofRun(
    'mhc_monitor_recording_failing',
    'Whether the recording of a run cannot be written now (1) or can (0): its steps are shown, and not acknowledged.',
    ({ run }) => (run.recordingProblem === null ? 0 : 1),
  ),
  define('mhc_monitor_disk_free_bytes', 'Free space on the disk of the recordings.', [], ({ disk }) => [[{}, disk?.().freeBytes]]),
  define(
    'mhc_monitor_disk_time_left_seconds',
    'Until the disk of the recordings is full if it goes on filling as in the last half hour; +Inf: it does not fill.',
    [],
    ({ disk }) => [[{}, disk?.().timeLeftSeconds]],
  ),
];

export const RUN_DEFINITIONS: readonly MetricDefinition[] = [...TRAINING, ...WARNING, ...MONITOR];
