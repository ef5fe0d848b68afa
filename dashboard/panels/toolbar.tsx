/** The controls of all charts. Changes the view; draws no chart. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { filterOf, type View } from '../model/view.ts';
import { change, view, writeAddress } from '../state/viewState.ts';
import { resetZoom, toggleFollow } from '../state/zoom.ts';
import { Toggle } from './toggle.tsx';
import './toolbar.css';

function Group({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <fieldset class="row soft toolbar-group">
      <legend>{label}</legend>
      {children}
    </fieldset>
  );
}

/** One of some values of a field of the view, a button for each; `names`: what stands on them. */
const choice = <K extends 'gain' | 'direction' | 'x' | 'log'>(label: string, key: K, values: View[K][], names = values.map(String)) => (
  <Group label={label}>
    {values.map((value, i) => (
      <Toggle key={value} pressed={view.value[key] === value} onPress={() => change({ [key]: value })}>
        {names[i]}
      </Toggle>
    ))}
  </Group>
);

function Smooth() {
  const { smooth } = view.value;
  return (
    <label class="row soft toolbar-field">
      Smoothing
      <input
        type="range"
        min="0"
        max="0.99"
        step="0.01"
        value={smooth}
        aria-valuetext={smooth === 0 ? 'off' : `${Math.round(100 * smooth)} %`}
        onInput={(event) => change({ smooth: Number(event.currentTarget.value) })}
      />
      <output>{smooth.toFixed(2)}</output>
    </label>
  );
}

function Filter() {
  const { filter } = view.value;
  const wrong = filterOf(filter) === null;
  return (
    <label class="row soft toolbar-field">
      Filter
      <input
        id="filter"
        type="search"
        value={filter}
        placeholder="connections, e.g. attn|mlp"
        spellcheck={false}
        autocomplete="off"
        aria-invalid={wrong}
        aria-describedby="filter-fault"
        onInput={(event) => change({ filter: event.currentTarget.value })}
      />
      <span id="filter-fault" class="toolbar-fault" role="status">
        {wrong ? 'no regular expression: all are shown' : ''}
      </span>
    </label>
  );
}

/** Did it work? Also tried where the clipboard is not given: plain http on another host. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement('textarea');
    const before = document.activeElement;
    field.value = text;
    field.className = 'toolbar-copy';
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    if (before instanceof HTMLElement) before.focus();
    return done;
  }
}

/** Long enough to be read. */
const COPY_OUTCOME_MS = 4000;

function Copy() {
  const [outcome, setOutcome] = useState('');
  const copy = async () => {
    const done = await copyText(writeAddress());
    setOutcome(done ? 'copied' : 'not allowed here: it is in the address line');
    setTimeout(() => setOutcome(''), COPY_OUTCOME_MS);
  };
  return (
    <>
      <button type="button" onClick={() => void copy()}>
        Copy link
      </button>
      <span role="status">{outcome}</span>
    </>
  );
}

export function Toolbar() {
  const { follow, from } = view.value;
  return (
    <div class="row toolbar" role="toolbar" aria-label="View">
      {choice('Gain', 'gain', ['composite', 'layer'])}
      {choice('Direction', 'direction', ['forward', 'backward'])}
      {choice('Over', 'x', ['step', 'time'], ['steps', 'wall clock'])}
      {choice('Scale', 'log', [true, false], ['log', 'linear'])}
      <Smooth />
      <Filter />
      <Group label="Steps">
        <Toggle pressed={follow} title="Move with the newest step" onPress={toggleFollow}>
          follow newest
        </Toggle>
        <button type="button" disabled={from === null && follow} onClick={resetZoom}>
          all steps
        </button>
      </Group>
      <Copy />
    </div>
  );
}
