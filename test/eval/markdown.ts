/** The evaluation as the text of RESULTS.md. Lays out; computes nothing but intervals. */
import type { GainForecast } from '../../alerts/shared.ts';
import { bestBaseline, type Comparison, type Evaluation, type Row, ratioOf } from './evaluation.ts';
import { EVENTS } from './events.ts';
import { AHEAD } from './jobs.ts';
import { bootstrap, quantile, type Score, scoreOf } from './score.ts';

const two = (value: number) => (Number.isNaN(value) ? '–' : value.toFixed(2));
const three = (value: number) => (Number.isNaN(value) ? '–' : value.toFixed(3));
const whole = (value: number) => (Number.isNaN(value) ? '–' : value.toFixed(0));
const interval = ([low, high]: [number, number], digits: (value: number) => string) =>
  Number.isNaN(low) ? '' : ` (${digits(low)}–${high === Number.POSITIVE_INFINITY ? '∞' : digits(high)})`;
const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, k) => (k === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

function withInterval({ outcomes }: Row, figure: keyof Score, digits: (value: number) => string): string {
  const spread = bootstrap(outcomes, (drawn) => scoreOf(drawn)[figure]);
  return `${digits(scoreOf(outcomes)[figure])}${interval(spread, digits)}`;
}

const HEAD = ['', 'recall', 'false alarms', 'precision', 'lead', 'lead, p10', 'share of possible', 'lead, late events', 'tuning half'];

const tuningCell = ({ recall, falseAlarms }: Score) => `${two(recall)} at ${three(falseAlarms)}`;

/** Of a row of the large tables. */
export function cells(row: Row): string[] {
  const score = scoreOf(row.outcomes);
  return [
    row.setting === '' ? row.name : `${row.name}: ${row.setting}`,
    withInterval(row, 'recall', two),
    withInterval(row, 'falseAlarms', three),
    two(score.precision),
    withInterval(row, 'medianLead', whole),
    whole(score.p10Lead),
    withInterval(row, 'medianShare', two),
    withInterval(row, 'lateMedianLead', whole),
    row.tuning === null ? '–' : tuningCell(scoreOf(row.tuning)),
  ];
}

function comparison({ event, budgets, published, controls }: Comparison): string {
  const parts = budgets.map(({ budget, rows, silent }) => {
    const late = bestBaseline(rows, 'lateMedianLead');
    const { ratio, spread } = ratioOf(rows[0], late, 'lateMedianLead');
    const share = bestBaseline(rows, 'medianShare');
    const none = silent.length === 0 ? '' : `\nNo setting keeps the budget on the tuning half: ${silent.join(', ')}.\n`;
    const [ours, theirs] = [rows[0], late].map(({ outcomes }) => scoreOf(outcomes).lateMedianLead);
    const times = theirs > 0 ? `, ${two(ratio)}${interval(spread, two)} times as long` : '';
    return `### At most ${budget} false alarms per 1000 healthy steps

${table(HEAD, rows.map(cells))}
${none}
Over the events after step 1000 gainwatch's median lead is ${whole(ours)} steps, the longest of a baseline
${whole(theirs)} (${late.name}, recall ${two(scoreOf(late.outcomes).recall)})${times}; over all events its share of the possible lead is
${two(scoreOf(rows[0].outcomes).medianShare)}, the largest of a baseline ${two(scoreOf(share.outcomes).medianShare)} (${share.name}).`;
  });
  return `## Event: ${event}

${parts.join('\n\n')}

### Settings as published, and controls

${table(HEAD, [...published, ...controls].map(cells))}`;
}

function forecastTable(forecasts: Evaluation['forecasts']): string {
  const rows = AHEAD.map((ahead) => {
    const made = forecasts.filter((one) => one.ahead === ahead).map(({ forecast }) => forecast);
    const steps = made.map((forecast) => forecast?.steps ?? Number.POSITIVE_INFINITY);
    const holds = (forecast: GainForecast | null) => forecast !== null && forecast.interval[0] <= ahead && ahead <= forecast.interval[1];
    const errors = steps.map((value) => Math.abs(value - ahead) / ahead);
    return [
      ...[ahead, made.length].map(String),
      ...[0.25, 0.5, 0.75].map((share) => whole(quantile(steps, share))),
      percent(quantile(errors, 0.5)),
      percent(made.filter(holds).length / made.length),
    ];
  });
  const head = ['steps before', 'runs', 'forecast, lower quartile', 'median', 'upper quartile', 'error, median', 'interval holds it'];
  return table(head, rows);
}

function namedTable(named: Evaluation['named']): string {
  const kinds = [...new Set(named.map(({ kind }) => kind))].sort();
  const rows = [...kinds, 'all'].map((label) => {
    const runs = named.filter(({ kind }) => label === 'all' || kind === label);
    const count = (found: boolean | null) => runs.filter(({ inTopThree }) => inTopThree === found).length;
    return [label, ...[runs.length, count(true), count(null)].map(String), percent(count(true) / runs.length)];
  });
  return table(['disturbed', 'runs', 'named in the top 3', 'no warning', 'share'], rows);
}

/** gainwatch and its rivals on the event of 1000, for the README. */
export function shortTable({ comparisons }: Evaluation): string {
  const { budgets, controls } = comparisons[0];
  const line = ({ name, outcomes }: Row, budget: string) => {
    const { recall, falseAlarms, medianLead, p10Lead, lateMedianLead } = scoreOf(outcomes);
    return [budget, name, two(recall), three(falseAlarms), whole(medianLead), whole(p10Lead), whole(lateMedianLead)];
  };
  return table(
    ['budget', 'detector', 'recall', 'false alarms', 'median lead', 'p10 lead', 'median lead, late events'],
    [...budgets.flatMap(({ budget, rows }) => rows.map((row) => line(row, `≤ ${budget}`))), ...controls.map((row) => line(row, '–'))],
  );
}

/** The whole text of RESULTS.md. */
export function resultsOf(evaluation: Evaluation): string {
  const { corpus, comparisons, others, named, forecasts, curve } = evaluation;
  const { early, events } = corpus[1];
  return `# Results of the evaluation

Made by \`npm run eval\` from the recordings beside it; the same to the digit every time (\`npm run eval -- --check\` compares).

An event is the first step from which on its condition holds for five steps (a loss that is not finite: for one). The first warning
from 2000 to 50 steps before it is true; a later one is late: the event is missed. Any other warning is false, counted per 1000
healthy steps (of runs without an event, and more than 2000 steps before one), at most one in 200 steps. Leads are medians over all
events, 0 for a missed one, in steps; late events come after step 1000. Figures in parentheses are 90 % intervals over drawn runs.
Settings of all detectors were chosen on the tuning half, there within the budget: a baseline may have at least as many false alarms
as gainwatch has there, and is chosen by recall, then lead over late events. Every figure but the last column is of the held-out half.

${table(
  ['half', 'runs', 'steps', 'disturbed', ...EVENTS],
  corpus.map(({ half, runs, steps, disturbed, events }) =>
    [half, runs, steps, disturbed, ...EVENTS.map((event) => events[event])].map(String),
  ),
)}

${early} of the ${events['gain 1000']} held-out events of G = 1000 come${early === 1 ? 's' : ''} before step 51, where no warning can be 50 steps early:
the highest recall possible is ${two(1 - early / events['gain 1000'])}.

${comparisons.map(comparison).join('\n\n')}

## Other events

The tuning half has too few of them to tune a baseline. Of a loss that is not finite speak all critical warnings but that of the values
themselves, so those of blow-ups that the loss survives count as false.

${table(
  ['event', ...HEAD.slice(1)],
  others.map(({ event, row }) => [event, ...cells(row).slice(1)]),
)}

## The named connection

In runs where one connection was disturbed: is it among the three suspects of the first warning after that which names any?

${namedTable(named)}

## The forecast of the steps left to G = 1000

As exported in \`mhc_gain_forecast_steps\`: if the gain goes on as now.

${forecastTable(forecasts)}

## Recall against false alarms

Of G = 1000 over \`sensitivity\`; 1 is shipped.

${table(
  [
    'sensitivity',
    ...['every warning', 'critical only'].flatMap((which) => [`recall, ${which}`, 'false alarms', 'median lead', 'late events']),
  ],
  curve.map(({ sensitivity, early, certain }) => [
    String(sensitivity),
    ...[early, certain].flatMap((s) => [two(s.recall), three(s.falseAlarms), whole(s.medianLead), whole(s.lateMedianLead)]),
  ]),
)}
`;
}
