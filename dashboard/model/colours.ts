/** The ramps and lists of colours that a style sheet cannot have. Pure. */

export type Rgb = [number, number, number];

function ramp(stops: Rgb[], at: number): Rgb {
  const x = Math.min(1, Math.max(0, at)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(x));
  return stops[i].map((c, k) => Math.round(c + (stops[i + 1][k] - c) * (x - i))) as Rgb;
}

/** As a style sheet takes it. */
export const css = ([r, g, b]: Rgb): string => `rgb(${r} ${g} ${b})`;

const DEPTH: Rgb[] = [
  [47, 128, 190],
  [104, 102, 205],
  [178, 80, 165],
  [224, 86, 92],
  [232, 140, 40],
];

/** Of a connection by its depth, first to last. */
export const depthColour = (index: number, count: number): string => css(ramp(DEPTH, count < 2 ? 1 : index / (count - 1)));

const RUNS = [
  '#e05d44',
  '#2b84c4',
  '#78828e',
  '#2e9660',
  '#a060c8',
  '#c49214',
  '#d65496',
  '#1ea0a5',
  '#80a028',
  '#5c62d6',
  '#96643c',
  '#eb966e',
];

/** Of the i-th run, in order of appearance. */
export const runColour = (i: number): string => RUNS[i % RUNS.length];

/** Below 1, 1, above 1: on a log scale from −1 to 1. */
export function gainColour(at: number, dark: boolean): Rgb {
  const middle: Rgb = dark ? [36, 45, 55] : [238, 240, 243];
  const stops: Rgb[] = dark
    ? [[92, 178, 240], middle, [240, 150, 60], [255, 226, 120]]
    : [[20, 96, 170], middle, [224, 104, 40], [128, 16, 32]];
  return at < 0 ? ramp([stops[1], stops[0]], -at) : ramp(stops.slice(1), at);
}

/** Of what is not finite: on no scale. */
export const brokenColour = (dark: boolean): Rgb => (dark ? [255, 70, 230] : [190, 0, 190]);

/** Of the i-th connection where some are lines of one chart: unlike its neighbours', and the same each time. */
export const lineColour = (i: number, dark: boolean): string => `hsl(${Math.round(200 + 137.5 * i) % 360}, 62%, ${dark ? 64 : 42}%)`;
