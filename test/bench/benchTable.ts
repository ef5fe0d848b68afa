/** Results of the benchmarks as Markdown tables, and the machine they came from. */
import { cpus } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { quantile } from '../eval/score.ts';

export interface Result {
  title: string;
  /** What was measured, and how. */
  note: string;
  head: string[];
  rows: string[][];
}

/** Of at least one number. */
export const median = (list: readonly number[]): number => quantile([...list], 0.5);
/** The median of times in ms, as text. */
export const milliseconds = (times: readonly number[]): string => median(times).toFixed(median(times) < 10 ? 2 : 0);

/** Median and quartiles of the rounds' ratios. */
export function ratio(of: readonly number[], to: readonly number[], digits = 3): string {
  const ratios = of.map((time, i) => time / to[i]);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((q) => quantile(ratios, q).toFixed(digits));
  return `× ${middle} (${low}–${high})`;
}

/** A result with its title and note. */
export function markdown({ title, note, head, rows }: Result): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'));
  return `### ${title}\n\n${note}\n\n${[head, rule, ...rows].map(line).join('\n')}\n`;
}

/** The machine and what runs on it, in one line. */
export function machine(): string {
  return `${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}, TF.js ${tf.version_core}, backend ${tf.getBackend()}`;
}
