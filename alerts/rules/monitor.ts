/** Alerts on gainwatch itself, which no detector has, and what the runbook says of them. */
import { type Alert, type Entry, RUN } from '../words.ts';

export const MONITOR_ALERTS: readonly (Alert & Entry & Required<Pick<Alert, 'expr' | 'severity'>>)[] = [
  {
    alert: 'MhcSamplesDropped',
    expr: 'increase(mhc_monitor_samples_dropped_total[5m]) > 0',
    severity: 'info',
    keepFiringFor: '5m',
    summary: `gainwatch lost {{ $value | humanize }} steps of ${RUN}.`,
    description: 'The monitor does not keep up with the training, or its disk refuses: the picture has gaps.',
    means: 'Watched steps were not taken in: the picture has gaps, the training is not touched.',
    look: ['The log of the training: a full disk, a monitor thread that does not keep up.'],
    act: ['Watch every k-th step (`every`) or fewer token positions (`tokens`).', 'Make room on the disk of the recordings.'],
  },
  {
    alert: 'MhcMonitorErrors',
    expr: 'increase(mhc_monitor_errors_total[5m]) > 0',
    severity: 'warning',
    keepFiringFor: '5m',
    summary: `gainwatch itself fails on ${RUN}.`,
    description: '{{ $value | humanize }} faults in five minutes; the log of the training says which. The training is not touched.',
    means: 'gainwatch itself met faults. The training goes on.',
    look: ['The log of the training: each kind of fault is said once.'],
    act: ['Mend what it says; report it if it is a fault of gainwatch.'],
  },
  {
    alert: 'MhcMonitorGone',
    expr: 'up == 0 and on (job, instance) last_over_time(mhc_build_info[10m])',
    severity: 'info',
    keepFiringFor: null,
    summary: 'gainwatch at {{ $labels.instance }} does not answer any more.',
    description: 'It answered within the last ten minutes. A training that has ended looks the same.',
    means: 'The target answered within the last ten minutes and answers no more: the training ended, or its process died.',
    look: ['How the run ended: `mhc_run_outcome`, or the recording (`gainwatch serve`).'],
    act: ['Nothing if it ended. Use `close({ lingerSeconds })` so that Prometheus still scrapes the outcome.'],
  },
];
