/** The table of baselines: what each looks at, its parameters, and its settings as published. Thresholds are tuned elsewhere. */
import type { Series } from '../series.ts';
import { lightning, megatron, olmo, type Scorer, wandb, zclip } from './spikes.ts';
import { holt, leastSquares, theilSen } from './trends.ts';

/** One choice of parameters: a score per step, to be compared with a threshold. */
export interface Variant {
  label: string;
  score(series: Series): Float64Array;
}

export interface Baseline {
  name: string;
  variants: Variant[];
  /** What its authors look at and their threshold; null: it has none. */
  published: { variant: string; threshold: number } | null;
}

const logGain = ({ gain }: Series) => gain.map((value) => Math.log(Math.min(value, 1e6)));
const SIGNALS = {
  loss: ({ loss }: Series) => loss,
  'gradient norm': ({ gradientNorm }: Series) => gradientNorm,
  G: ({ gain }: Series) => gain,
  'ln G': logGain,
};

/** A spike detector on each of the signals. */
function onSignals(name: string, signal: keyof typeof SIGNALS, threshold: number, scorer: Scorer): Baseline {
  const variants = Object.entries(SIGNALS).map(([label, of]): Variant => ({ label: `on ${label}`, score: (series) => scorer(of(series)) }));
  return { name, published: { variant: `on ${signal}`, threshold }, variants };
}

const WINDOWS = [20, 50, 100, 200];
const HORIZONS = [50, 100, 200, 400];

/** A trend with each window and horizon. */
function overWindows(name: string, of: (series: Series) => Float64Array, predict: typeof leastSquares): Baseline {
  const variants = WINDOWS.flatMap((window) =>
    HORIZONS.map((horizon) => ({
      label: `window ${window}, ${horizon} ahead`,
      score: (series: Series) => predict(of(series), window, horizon),
    })),
  );
  return { name, published: null, variants };
}

export const BASELINES: Baseline[] = [
  onSignals('W&B z-score (30)', 'loss', 3, wandb),
  onSignals('OLMo (128)', 'loss', 6, olmo),
  onSignals('ZClip (EMA 0.97)', 'gradient norm', 2.5, zclip(2.5)),
  onSignals('Lightning (10)', 'loss', 2, lightning(2)),
  onSignals('Megatron (first 100)', 'loss', 10, megatron),
  { name: 'static threshold on G', published: null, variants: [{ label: 'bare', score: ({ gain }) => gain }] },
  overWindows('least squares on ln G', logGain, leastSquares),
  overWindows('Theil–Sen on ln G', logGain, theilSen),
  {
    name: 'Holt on ln G',
    published: null,
    variants: [0.03, 0.1, 0.3].flatMap((alpha) =>
      [0.02, 0.1].flatMap((beta) =>
        HORIZONS.map((horizon) => ({
          label: `α ${alpha}, β ${beta}, ${horizon} ahead`,
          score: (series: Series) => holt(logGain(series), alpha, beta, horizon),
        })),
      ),
    ),
  },
  overWindows('PromQL predict_linear on G', ({ gain }) => gain.map((value) => Math.min(value, 1e6)), leastSquares),
];
