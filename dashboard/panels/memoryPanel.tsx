/** Memory of the newest step: by connection and kind, in all, and what the backend holds. */
import { useMemo, useState } from 'preact/hooks';
import type { RunDetail, StepAnswer } from '../../src/telemetry/api.ts';
import { ChartTools } from '../charts/chartTools.tsx';
import { memoryPicture } from '../charts/pictures.ts';
import { ChartTable } from '../charts/scrollTable.tsx';
import { depthColour } from '../model/colours.ts';
import { memoryCsv, memoryJson } from '../model/exports.ts';
import { bytes } from '../model/format.ts';
import { barPaths, byteTicks, highestOf, type Memory, memoryOf, nameOf, totalOf } from '../model/memoryStacks.ts';
import { restTick } from '../state/redraw.ts';
import { dataOf } from '../state/store.ts';
import { change, view } from '../state/viewState.ts';
import './memoryPanel.css';

/** Of the bars, in units of their picture, which is stretched. */
const HEIGHT = 100;

const colourOf = (memory: Memory, k: number): string => depthColour(k, memory.stacks.length);

interface Props {
  memory: Memory;
  names: readonly string[];
}

function Bars({ memory, names }: Props) {
  const [at, setAt] = useState(-1);
  const { stacks } = memory;
  const highest = highestOf(stacks);
  const paths = barPaths(stacks, HEIGHT);
  const connectionAt = (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return Math.min(names.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * names.length)));
  };
  const parts = stacks
    .filter(({ values }) => Number.isFinite(values[at]))
    .map(({ kind, values }) => `${nameOf(kind)} ${bytes(values[at])}`);
  return (
    <>
      <div class="me-plot">
        {byteTicks(highest).map((tickAt) => (
          <span class="me-tick soft" key={tickAt} style={{ bottom: `${(100 * tickAt) / highest}%` }}>
            {bytes(tickAt)}
          </span>
        ))}
        {/* biome-ignore lint/a11y/useKeyWithClickEvents: the table behind it has a button for each connection */}
        <svg
          class="me-bars"
          role="img"
          aria-label={`Memory of ${names.length} connections by kind, the largest ${bytes(highest)}. The table behind it has the values.`}
          viewBox={`0 0 ${Math.max(1, names.length)} ${HEIGHT}`}
          preserveAspectRatio="none"
          onMouseMove={(event) => setAt(connectionAt(event))}
          onMouseLeave={() => setAt(-1)}
          onClick={(event) => change({ open: names[connectionAt(event)] })}
        >
          {at < 0 ? null : <rect class="me-at" x={at} y={0} width={1} height={HEIGHT} />}
          {stacks.map(({ kind }, k) => (
            <path key={kind} d={paths[k]} fill={colourOf(memory, k)} />
          ))}
        </svg>
      </div>
      <p class="me-value soft">
        {at < 0 ? `${names.length} connections, from input to output` : `${names[at]}: ${bytes(totalOf(stacks, at))} (${parts.join(', ')})`}
      </p>
    </>
  );
}

function Totals({ memory }: { memory: Memory }) {
  const { stacks, accounted, allocated } = memory;
  return (
    <>
      <ul class="row me-totals">
        {stacks.map(({ kind, total }, k) => (
          <li key={kind}>
            <i class="swatch" style={{ backgroundColor: colourOf(memory, k) }} />
            {nameOf(kind)} <b>{bytes(total)}</b>
          </li>
        ))}
      </ul>
      <p class="me-all">
        <b>{bytes(accounted)}</b> within a step; the backend {allocated === null ? 'does not tell what it holds.' : 'holds '}
        {allocated === null ? null : <b>{bytes(allocated)}</b>}
        {allocated === null ? '' : ' after it.'}
      </p>
    </>
  );
}

function Table({ memory, names }: Props) {
  const { stacks } = memory;
  return (
    <ChartTable
      id="memory"
      title="Memory"
      caption="Memory by connection, newest step"
      heads={['connection', ...stacks.map(({ kind }) => nameOf(kind)), 'all']}
    >
      {names.map((name, l) => (
        <tr key={name}>
          <th scope="row">
            <button type="button" onClick={() => change({ open: name })}>
              {name}
            </button>
          </th>
          {stacks.map(({ kind, values }) => (
            <td key={kind}>{bytes(values[l])}</td>
          ))}
          <td>{bytes(totalOf(stacks, l))}</td>
        </tr>
      ))}
    </ChartTable>
  );
}

/** Bars, sums and table of the newest step's memory, or why there are none. */
export function MemoryBars() {
  void restTick.value;
  const known = dataOf(view.value.run);
  if (known === null) return <p class="me-value soft">Loading …</p>;
  if (known.latest === null) return <p class="me-value soft">No step yet.</p>;
  if (known.latest.memory === null) return <p class="me-value soft">Not known: this run does not tell its memory.</p>;
  return <StepMemory key={known.detail.run} run={known.detail} memory={JSON.stringify(known.latest.memory)} />;
}

interface StepMemoryProps {
  run: RunDetail;
  /** As JSON: what is equal is not drawn again, and it mostly is. */
  memory: string;
}

function StepMemory({ run, memory: text }: StepMemoryProps) {
  const [table, setTable] = useState(false);
  return useMemo(() => {
    const memory = memoryOf(JSON.parse(text) as NonNullable<StepAnswer['memory']>, run.memoryKinds);
    const names = run.connections.map(({ name }) => name);
    return (
      <>
        <Totals memory={memory} />
        <Bars memory={memory} names={names} />
        <ChartTools
          id="memory"
          title="Memory"
          table={table}
          onTable={() => setTable(!table)}
          png={() => memoryPicture(memory, `${run.run}: memory by connection and kind`, names.length)}
          csv={() => memoryCsv(memory, names)}
          json={() => memoryJson(run.run, dataOf(run.run)?.latest?.step ?? null, memory, names)}
        />
        {table ? <Table memory={memory} names={names} /> : null}
      </>
    );
  }, [text, table, run]);
}
