/** The runbook of one rule, in a dialog. The text is that of alerts/runbook.md, taken in when the page is built. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import runbook from '../../alerts/runbook.md?raw';
import type { RuleName } from '../../src/telemetry/warning.ts';
import { type Block, partsOf, readRunbook } from '../model/runbookBlocks.ts';

const entries = readRunbook(runbook);

/** The rule whose entry is open. */
const opened = signal<RuleName | null>(null);

/** Opens the entry of a rule. */
export const openRunbook = (rule: RuleName): void => {
  opened.value = rule;
};

function Text({ text }: { text: string }) {
  return partsOf(text).map((part) => (part.code ? <code key={part.text}>{part.text}</code> : part.text));
}

function Entry({ block }: { block: Block }) {
  if (block.kind === 'text')
    return (
      <p>
        <Text text={block.text} />
      </p>
    );
  const items = block.items.map((item) => (
    <li key={item}>
      <Text text={item} />
    </li>
  ));
  return block.kind === 'list' ? <ul>{items}</ul> : <ol>{items}</ol>;
}

export function Runbook() {
  const dialog = useRef<HTMLDialogElement>(null);
  const rule = opened.value;
  useEffect(() => {
    if (rule !== null && dialog.current?.open === false) dialog.current.showModal();
  }, [rule]);
  const blocks = entries.get(rule ?? '') ?? [{ kind: 'text', text: 'The runbook has no entry for this rule.' }];
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="t-runbook" onClose={() => (opened.value = null)}>
      <h2 id="t-runbook">Runbook: {rule}</h2>
      {rule === null ? null : blocks.map((block, i) => <Entry key={`${rule} ${i}`} block={block} />)}
      <button type="button" onClick={() => dialog.current?.close()}>
        Close
      </button>
    </dialog>
  );
}
