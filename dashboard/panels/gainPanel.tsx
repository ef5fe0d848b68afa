/** The gain of the chosen run: the worst connections, the picked ones, the envelope of all, and other runs over it. */
import { isBounded } from '../../alerts/limits.ts';
import type { StepAnswer } from '../../src/telemetry/api.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { LineChart } from '../charts/lineChart.tsx';
import { type Bands, pointWidth, worstOf } from '../model/bands.ts';
import { lineColour } from '../model/colours.ts';
import { shown } from '../model/format.ts';
import { grownEnvelope, grownWorst } from '../model/grown.ts';
import { bandLine, type Cone, type Line, type Threshold } from '../model/lines.ts';
import { gainMeasure, matcherOf, runsShown, toggled } from '../model/view.ts';
import { tick } from '../state/redraw.ts';
import { bandsFor, dataOf, type RunData } from '../state/store.ts';
import { colourOfRun, currentTheme } from '../state/theme.ts';
import { change, view } from '../state/viewState.ts';
import './gainPanel.css';
import { Panel } from './panel.tsx';
import { Choices, Toggle } from './toggle.tsx';

/** Connections drawn because they are the worst. Our choice: as many colours are told apart. */
const MAX_WORST = 8;

/** Of the composite gain; a single layer has no limit of its own. */
function thresholdsOf({ detail }: RunData): Threshold[] {
  if (view.value.gain === 'layer') return [];
  const bounded = isBounded(detail);
  return detail.limits.gain.map((value) => ({ value, label: bounded ? `n/2 = ${value}` : String(value) }));
}

/** To the lowest threshold that is not reached yet; null: none is near. */
function coneOf(latest: StepAnswer | null, base: number): Cone | null {
  if (latest === null) return null;
  const value = fromWire(latest.compositeGain);
  const next = [...latest.forecast].sort((a, b) => a.threshold - b.threshold).find(({ threshold }) => threshold > value);
  if (next === undefined || !(value > base)) return null;
  const [low, high] = next.interval.map(fromWire);
  return Number.isFinite(low) ? { step: latest.step, time: latest.time, value, threshold: next.threshold, low, high, base } : null;
}

function coneNote(cone: Cone | null): string | undefined {
  if (cone === null) return undefined;
  const [low, high] = [cone.low, cone.high].map((steps) => shown(Math.round(steps), 6));
  const when = Number.isFinite(cone.high) ? `${low} to ${high} steps` : `${low} steps or more, or never`;
  return `G may reach ${cone.threshold} in ${when} (9 in 10)`;
}

/** The worst, the picked and the envelope of all connections. */
function connectionLines(bands: Bands, run: string): Line[] {
  const { picked, filter, smooth, log } = view.value;
  const isAllowed = matcherOf(view.value);
  const { dark, soft } = currentTheme();
  const names = bands.bands.map(({ connection }) => connection);
  const allowed = names.filter(isAllowed);
  const worst = worstOf(bands, MAX_WORST, isAllowed);
  const chosen = names.flatMap((name, l) => (picked.includes(name) ? [l] : []));
  const lines = [...new Set([...chosen, ...worst])].map((l) =>
    bandLine(bands, bands.bands[l], {
      id: names[l],
      label: names[l],
      colour: lineColour(l, dark),
      width: picked.includes(names[l]) ? 3 : 1.4,
      value: 'largest',
      smooth,
      log,
    }),
  );
  if (allowed.length === 0) return lines;
  const all = grownEnvelope(bands, filter, isAllowed);
  const { steps, times } = bands;
  const apart = pointWidth(steps, bands.bucket);
  const label = allowed.length === names.length ? `all ${names.length}` : `${allowed.length} of ${names.length}`;
  return [
    ...lines,
    { id: `envelope ${run}`, label, colour: soft, steps, times, apart, y: all.max, low: all.min, high: all.max, band: true },
  ];
}

/** G of a run; for the gain of the layers, the largest of them. */
function runLine(run: string, together: string[], main: boolean): Line[] {
  const { gain, smooth, log } = view.value;
  const composite = gain === 'composite';
  const bands = bandsFor(run, composite ? 'compositeGain' : gainMeasure(view.value));
  if (bands === null || bands.bands.length === 0) return [];
  const band = composite ? bands.bands[0] : grownWorst(bands);
  return [
    bandLine(bands, band, {
      id: `run ${run}`,
      label: composite ? `G of ${run}` : `largest of ${run}`,
      colour: colourOfRun(run, together),
      width: main ? 2.5 : 2,
      dashed: !main,
      value: 'largest',
      smooth,
      log,
    }),
  ];
}

function Legend() {
  const { hidden } = view.value;
  const together = runsShown(view.value);
  return (
    <Choices class="gain-legend" label="Runs shown">
      {together.map((name) => (
        <Toggle key={name} pressed={!hidden.includes(name)} onPress={() => change({ hidden: toggled(hidden, name) })}>
          <i class="chart-swatch" style={{ color: colourOfRun(name, together) }} />
          {name}
        </Toggle>
      ))}
    </Choices>
  );
}

function Chart({ title }: { title: string }) {
  tick.value;
  const { run, hidden, gain, log, filter } = view.value;
  const known = dataOf(run);
  if (run === null || known === null) return <p class="note soft chart-empty">Loading …</p>;
  const together = runsShown(view.value);
  if (known.detail.connections.length === 0 && together.length === 1)
    return <p class="note soft chart-empty">This run has no connections, and so no gain.</p>;
  const bands = bandsFor(run, gainMeasure(view.value));
  const main = hidden.includes(run) || bands === null ? [] : connectionLines(bands, run);
  const over = together.filter((name) => !hidden.includes(name)).flatMap((name) => runLine(name, together, name === run));
  const cone = gain === 'composite' && !hidden.includes(run) ? coneOf(known.latest, isBounded(known.detail) ? 1 : 0) : null;
  return (
    <LineChart
      id="gain"
      title={title}
      lines={[...over, ...main]}
      track={bands}
      log={log}
      unit={gain === 'composite' ? 'composite gain' : 'gain'}
      thresholds={thresholdsOf(known)}
      cone={cone}
      note={coneNote(cone)}
      pickable={new Set(known.detail.connections.map(({ name }) => name))}
      onPick={(name) => change({ picked: toggled(view.value.picked, name) })}
      empty={bands === null ? 'Loading …' : filter !== '' ? 'No connection matches the filter.' : 'Nothing to show.'}
    />
  );
}

export function GainPanel() {
  const { gain, direction } = view.value;
  const title = `${gain === 'composite' ? 'Composite gain' : 'Gain of the layers'}, ${direction}`;
  return (
    <Panel id="gain" title={title} wide height="var(--wide-chart)" tools={<Legend />}>
      <Chart title={title} />
    </Panel>
  );
}
