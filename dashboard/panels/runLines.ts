/** A scalar of the shown runs as lines of a chart, each in the colour of its run. Draws nothing. */
import type { RunScalar } from '../../src/telemetry/catalogue.ts';
import { bandLine } from '../model/bandLine.ts';
import type { Value } from '../model/bands.ts';
import type { Line } from '../model/lines.ts';
import { runsShown } from '../model/view.ts';
import { bandsFor } from '../state/store.ts';
import { colourOfRun } from '../state/theme.ts';
import { view } from '../state/viewState.ts';

interface Look {
  /** Of the scalar, in the labels. */
  name: string;
  width: number;
  value: 'largest' | 'middle';
  /** What a value is multiplied by. */
  factor?: number;
}

/** Of those that are not switched off and have it. */
export function runLines(scalar: RunScalar, { name, width, value, factor = 1 }: Look): Line[] {
  const { hidden, smooth } = view.value;
  const together = runsShown(view.value);
  const scaled = (values: Value[]) => (factor === 1 ? values : values.map((each) => (each === null ? null : factor * each)));
  return together
    .filter((run) => !hidden.includes(run))
    .flatMap((run) => {
      const bands = bandsFor(run, scalar);
      const [band] = bands?.bands ?? [];
      if (bands === null || band === undefined) return [];
      const label = together.length > 1 ? `${name} of ${run}` : name;
      const look = { id: `${name} ${run}`, label, colour: colourOfRun(run, together), width, value, smooth, log: false };
      return [bandLine(bands, { min: scaled(band.min), max: scaled(band.max) }, look)];
    });
}
