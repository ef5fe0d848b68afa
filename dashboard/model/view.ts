/** What the page shows, as plain data, and as the part of the address behind `#`. Knows no document. */

/** As it is where the address says nothing. */
export const DEFAULT_VIEW = {
  /** The run that all panels are about; null: none chosen yet. */
  run: null as string | null,
  /** Further runs, overlaid. */
  compare: [] as string[],
  /** Of run and compare, those switched off in the legend. */
  hidden: [] as string[],
  gain: 'composite' as 'composite' | 'layer',
  direction: 'forward' as 'forward' | 'backward',
  /** Connections drawn beside the worst. */
  picked: [] as string[],
  /** Regular expression that connections must match; '': all. */
  filter: '',
  x: 'step' as 'step' | 'time',
  log: true,
  /** 0: raw; towards 1: a longer exponential mean. */
  smooth: 0,
  /** Steps; null: all. */
  from: null as number | null,
  to: null as number | null,
  /** Move with the newest step. */
  follow: true,
  sort: 'layer' as 'layer' | 'gain' | 'left',
  /** The connection that is open beside the heatmap. */
  open: null as string | null,
  /** Of the warnings shown, joined by commas. */
  severities: 'critical,warning',
  /** Id of the warning whose surroundings are open, and how many steps of them. */
  warning: null as number | null,
  around: 200,
  /** Of the table of runs: KEY-ascending or KEY-descending; null: the newest first. */
  order: null as string | null,
};

export type View = typeof DEFAULT_VIEW;

/** Steps before and behind a warning. */
export const AROUND: readonly number[] = [50, 200, 1000];

const CHOICES: { [K in keyof View]?: readonly View[K][] } = {
  gain: ['composite', 'layer'],
  direction: ['forward', 'backward'],
  x: ['step', 'time'],
  sort: ['layer', 'gain', 'left'],
};

/** What differs from the default, in the order of `DEFAULT_VIEW`. */
export function writeView(view: View): string {
  const parameters = new URLSearchParams();
  for (const key of Object.keys(DEFAULT_VIEW) as (keyof View)[]) {
    const value = view[key];
    if (Array.isArray(value)) for (const each of value) parameters.append(key, each);
    else if (value !== DEFAULT_VIEW[key]) parameters.set(key, String(value ?? ''));
  }
  return parameters.toString();
}

/** What cannot be read is as by default: an address may be old, cut off or typed. */
export function readView(hash: string): View {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  const view: View = structuredClone(DEFAULT_VIEW);
  const fields = view as unknown as Record<string, unknown>;
  for (const key of Object.keys(DEFAULT_VIEW) as (keyof View)[]) {
    const text = parameters.get(key);
    if (text === null) continue;
    const standard = DEFAULT_VIEW[key];
    const choices = CHOICES[key] as readonly unknown[] | undefined;
    if (Array.isArray(standard)) fields[key] = parameters.getAll(key);
    else if (typeof standard === 'boolean') fields[key] = text === 'true';
    else if (key === 'smooth') fields[key] = Math.min(0.99, Math.max(0, Number(text) || 0));
    else if (key === 'from' || key === 'to' || key === 'warning') fields[key] = /^\d+$/.test(text) ? Number(text) : null;
    else if (key === 'around') fields[key] = AROUND.includes(Number(text)) ? Number(text) : standard;
    else if (choices === undefined || choices.includes(text)) fields[key] = text;
  }
  return view;
}

/** The measure of the catalogue that the view asks for. */
export function gainMeasure({ gain, direction }: Pick<View, 'gain' | 'direction'>): string {
  const side = direction === 'forward' ? 'Forward' : 'Backward';
  return gain === 'composite' ? `composite${side}Gain` : `${direction}Gain`;
}

/** A list with an entry, or without it where it was there. */
export const toggled = (list: readonly string[], entry: string): string[] =>
  list.includes(entry) ? list.filter((other) => other !== entry) : [...list, entry];

/** All runs that are shown: the main one first, each once. */
export const runsShown = ({ run, compare }: Pick<View, 'run' | 'compare'>): string[] => [
  ...new Set([...(run === null ? [] : [run]), ...compare]),
];

/** Compiles what was typed; null where it is no regular expression. */
export function filterOf(text: string): RegExp | null {
  try {
    return new RegExp(text, 'i');
  } catch {
    return null;
  }
}

/** Does a connection match the filter? One that is no regular expression lets all pass. */
export function matcherOf({ filter }: Pick<View, 'filter'>): (connection: string) => boolean {
  const pattern = filterOf(filter);
  return (connection) => pattern?.test(connection) ?? true;
}
