/** What is computed over many connections at each point, kept: a series only grows at its end. */
import { type Band, type Bands, envelopeOf, extremeOf } from './bands.ts';

type Ends = Pick<Band, 'min' | 'max'>;

/** Of the largest of some bands at each point. */
export const worstBand = ({ bands }: Pick<Bands, 'bands'>, points: number): Ends => ({
  min: extremeOf(bands, 'min', 'largest', points),
  max: extremeOf(bands, 'max', 'largest', points),
});

/** As `compute` gives it, which must look at each point alone; anew only for points that came since, or for another `key`. */
function grown(compute: (bands: Bands, points: number) => Ends) {
  const known = new WeakMap<Bands, { key: string; ends: Ends }>();
  return (all: Bands, key = '', allowed: (connection: string) => boolean = () => true): Ends => {
    let entry = known.get(all);
    if (entry?.key !== key) {
      entry = { key, ends: { min: [], max: [] } };
      known.set(all, entry);
    }
    const { ends } = entry;
    const from = ends.min.length;
    const points = all.steps.length - from;
    if (points <= 0) return ends;
    const bands = all.bands
      .filter(({ connection }) => allowed(connection))
      .map(({ connection, min, max }) => ({
        connection,
        min: from === 0 ? min : min.slice(from),
        max: from === 0 ? max : max.slice(from),
      }));
    const { min, max } = compute({ ...all, bands }, points);
    ends.min.push(...min);
    ends.max.push(...max);
    return ends;
  };
}

/** `envelopeOf`, kept. */
export const grownEnvelope = grown(envelopeOf);
/** `worstBand`, kept. */
export const grownWorst = grown(worstBand);
