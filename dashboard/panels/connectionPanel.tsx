/** One connection: its matrix, its measures with their course, its memory. Which one: chosen here or elsewhere, else by itself. */
import { useRef, useState } from 'preact/hooks';
import type { StepAnswer } from '../../src/telemetry/api.ts';
import { fromWire } from '../../src/telemetry/wire.ts';
import { clip } from '../model/bands.ts';
import { boundWords, hasMatrix, MEASURES_SHOWN, measureText, neighbour, openOf } from '../model/connection.ts';
import { bytes } from '../model/format.ts';
import { nameOf } from '../model/memoryStacks.ts';
import { type Size, sparkPath } from '../model/spark.ts';
import { gainMeasure, toggled } from '../model/view.ts';
import { restTick } from '../state/redraw.ts';
import { courseOf, dataOf, type RunData } from '../state/store.ts';
import { change, shownRange, view } from '../state/viewState.ts';
import './connectionPanel.css';
import { Matrix } from './matrix.tsx';
import { Toggle } from './toggle.tsx';
import { WideMatrix } from './wideMatrix.tsx';

/** In units of its picture, which is stretched. */
const COURSE: Size = { width: 100, height: 18 };

function Picker({ names, name }: { names: readonly string[]; name: string }) {
  const { open, picked } = view.value;
  const go = (by: number) => change({ open: neighbour(names, name, by) });
  return (
    <div class="row cn-picker">
      <button type="button" aria-label="Previous connection" onClick={() => go(-1)}>
        ‹
      </button>
      <select aria-label="Connection" value={name} onChange={(event) => change({ open: event.currentTarget.value })}>
        {names.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
      <button type="button" aria-label="Next connection" onClick={() => go(1)}>
        ›
      </button>
      <Toggle
        pressed={picked.includes(name)}
        title="draw its gain beside the worst ones"
        onPress={() => change({ picked: toggled(picked, name) })}
      >
        Draw its line
      </Toggle>
      {open === null ? null : (
        <button
          type="button"
          title="back to the likeliest cause of the newest warning, else the largest gain"
          onClick={() => change({ open: null })}
        >
          Close
        </button>
      )}
    </div>
  );
}

interface RowProps {
  label: string;
  /** A title, and below the label where it is explained. */
  help?: string;
  explained?: boolean;
  /** Of its course; null: not there yet. */
  path?: string | null;
  value: string | number;
}

const Row = ({ label, help, explained = false, path = null, value }: RowProps) => (
  <tr title={help}>
    <th scope="row">
      {label}
      {explained ? <small>{help}</small> : null}
    </th>
    <td class="cn-course">
      {path === null ? null : (
        <svg class="cn-spark" viewBox="-1 -1 102 20" preserveAspectRatio="none" aria-hidden="true">
          <path d={path} vector-effect="non-scaling-stroke" />
        </svg>
      )}
    </td>
    <td>{value}</td>
  </tr>
);

interface MeasuresProps {
  known: RunData;
  latest: StepAnswer;
  /** Of the connection among those of the run. */
  l: number;
  explained: boolean;
}

function Measures({ known, latest, l, explained }: MeasuresProps) {
  // Its own: where no property is another one it would not be drawn again.
  void restTick.value;
  const range = shownRange(view.value, known.detail.lastStep);
  const { name } = known.detail.connections[l];
  const nonfinite = latest.nonfinite[l] ?? 0;
  return (
    <table class="cn-measures">
      <caption>
        Step {latest.step}
        {nonfinite === 0 ? '' : `: ${nonfinite} values are not finite`}
      </caption>
      <tbody>
        {MEASURES_SHOWN.map(([key, label]) => {
          const help = known.detail.measures.find((measure) => measure.key === key)?.help ?? '';
          const course = courseOf(known, name, key);
          const value = measureText(fromWire(latest.measures[key]?.[l] ?? null), nonfinite);
          const path = course === null ? null : sparkPath(clip(course, range), COURSE);
          return <Row key={key} label={label} help={help} explained={explained} path={path} value={value} />;
        })}
        <Row label="values not finite" value={nonfinite} />
        {known.detail.memoryKinds.map((kind) => {
          const size = fromWire(latest.memory?.connections[kind]?.[l] ?? null);
          return <Row key={kind} label={`memory: ${nameOf(kind)}`} value={bytes(size)} />;
        })}
      </tbody>
    </table>
  );
}

/** Streams up to which each entry has its number. */
const MAX_NUMBERED = 8;

const ShownMatrix = (props: { connection: string; values: readonly number[] }) =>
  props.values.length > MAX_NUMBERED ** 2 ? <WideMatrix {...props} /> : <Matrix {...props} />;

/** The open connection, else the one that wants a look; panel and title are app.tsx's, as for all bodies of panels. */
export function Connection() {
  void restTick.value;
  const before = useRef<string | null>(null);
  const [explained, setExplained] = useState(false);
  const known = dataOf(view.value.run);
  if (known === null) return <p class="cn-note soft">Loading …</p>;
  const { detail, latest, warnings } = known;
  const names = detail.connections.map((connection) => connection.name);
  const gains = latest?.measures[gainMeasure(view.value)]?.map(fromWire) ?? [];
  const name = openOf({ open: view.value.open, names, warnings, gains, before: before.current });
  if (name === null) return <p class="cn-note soft">This run has no connections.</p>;
  if (view.value.open === null) before.current = name;
  const l = names.indexOf(name);
  const { kind, convention, bounded } = detail.connections[l];
  const tested = detail.selfTest?.find(({ connection }) => connection === name);
  const matrix = latest?.mapping[l]?.map(fromWire) ?? [];
  return (
    <div class="stack cn">
      <Picker names={names} name={name} />
      <p class="cn-note soft">
        {kind}
        {convention === null ? '' : `, convention ${convention}`}
        {bounded === null ? '' : `, ${boundWords(bounded)}`}, {l + 1} of {names.length}
        {view.value.open === null ? ', chosen automatically' : ''}
        <Toggle pressed={explained} onPress={() => setExplained(!explained)}>
          Explain
        </Toggle>
      </p>
      {tested === undefined || tested.findings.length === 0 ? null : (
        <ul class="cn-findings">
          {tested.findings.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
      {latest === null ? (
        <p class="cn-note soft">No step yet.</p>
      ) : (
        <div class="stack cn-parts">
          {hasMatrix(matrix, latest.nonfinite[l] ?? 0) ? (
            <ShownMatrix connection={name} values={matrix} />
          ) : (
            <p class="cn-note soft">Its matrix is not known: this run sends measures only.</p>
          )}
          <Measures known={known} latest={latest} l={l} explained={explained} />
        </div>
      )}
    </div>
  );
}
