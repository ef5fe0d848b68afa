/** Alerts on gainwatch itself, which no detector has, and what the runbook says of them. */
import { type Alert, type Entry, RUN } from '../words.ts';

const DAY_SECONDS = 86_400;
const HOUR_SECONDS = 3600;

const FULL_DISK: Entry = {
  means:
    'The free space of the disk that the recordings lie on goes down, by the median of the last half hour, so that it is used up at the time said. ' +
    'Then runs are not recorded any more (MhcRecordingFailing); whatever else writes there, as checkpoints, fails too.',
  look: [
    '`mhc_monitor_disk_free_bytes`: since when it goes down.',
    'What fills it: `du -xh --max-depth=2` of the disk; checkpoints are larger than recordings.',
    'The folder of the recordings: how many there are, and how large.',
  ],
  act: [
    'Remove or move what is not needed.',
    'Let gainwatch remove old recordings: `gainwatch serve --keep-days 30` or `--max-bytes 50G`. Runs that go on are never touched.',
    'Put the recordings on another disk (`--runs`).',
  ],
};

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
    alert: 'MhcRecordingFailing',
    expr: 'mhc_monitor_recording_failing > 0',
    severity: 'critical',
    for: '1m',
    keepFiringFor: '2m',
    summary: 'Run {{ $labels.run }} is not recorded any more.',
    description:
      'Its recording cannot be written: a full disk, a folder that may not be written, a lock. Its steps are shown and warned of, and wait.',
    means:
      'The recording of a run cannot be written. Its steps still pass the detectors, metrics and the page; senders are told to keep them and send ' +
      'them again, and lose them once their own memory or disk is full. It goes on by itself when the cause is gone.',
    look: [
      'The log of gainwatch: it says why.',
      '`mhc_monitor_disk_free_bytes`, and the quota of the user.',
      'Who may write the folder of the recordings and the file RUN.sqlite, and what else has it open (a backup, `sqlite3`).',
    ],
    act: [
      'Make room: delete runs that have ended (`curl -X DELETE http://127.0.0.1:9464/api/v1/runs/RUN`; where there are tokens with ' +
        '`-H "Authorization: Bearer DECIDE-TOKEN"`), or start `gainwatch serve` with `--keep-days` or `--max-bytes`.',
      'Give the folder back to the user of gainwatch, end what locks the file.',
      'Where the recording shall not be kept: `gainwatch serve --no-record`.',
    ],
  },
  {
    alert: 'MhcDiskFilling',
    expr: `mhc_monitor_disk_time_left_seconds < ${DAY_SECONDS} and mhc_monitor_disk_time_left_seconds >= ${HOUR_SECONDS}`,
    severity: 'warning',
    for: '15m',
    keepFiringFor: '15m',
    summary: 'The disk of the recordings of {{ $labels.instance }} is full in about {{ $value | humanizeDuration }}.',
    description: 'It fills as fast as in the last half hour. When it is full nothing is recorded, and trainings that write there fail.',
    ...FULL_DISK,
  },
  {
    alert: 'MhcDiskNearlyFull',
    expr: `mhc_monitor_disk_time_left_seconds < ${HOUR_SECONDS}`,
    severity: 'critical',
    for: '2m',
    keepFiringFor: '5m',
    summary: 'The disk of the recordings of {{ $labels.instance }} is full in about {{ $value | humanizeDuration }}.',
    description: 'Soon nothing is recorded any more, and trainings that write there fail.',
    ...FULL_DISK,
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
