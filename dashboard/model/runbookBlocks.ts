/** Reads the runbook: its entries as plain blocks, so that no text of it is ever taken for HTML. Only what runbooks of ours use. */

export type Block = { kind: 'text'; text: string } | { kind: 'list' | 'steps'; items: string[] };

/** By the name of the rule. */
export function readRunbook(markdown: string): Map<string, Block[]> {
  const entries = new Map<string, Block[]>();
  for (const part of markdown.split(/^## /m).slice(1)) {
    const [name, ...lines] = part.split('\n');
    entries.set(name.trim(), blocksOf(lines));
  }
  return entries;
}

function blocksOf(lines: readonly string[]): Block[] {
  const blocks: Block[] = [];
  /** Does the next line go on with the last block? */
  let open = false;
  for (const line of lines) {
    const last = open ? blocks.at(-1) : undefined;
    const item = /^(?:(-)|\d+\.) +(.+)$/.exec(line);
    open = line.trim() !== '';
    if (item !== null) {
      const kind = item[1] === '-' ? 'list' : 'steps';
      if (last?.kind === kind) last.items.push(item[2]);
      else blocks.push({ kind, items: [item[2]] });
    } else if (open) {
      if (last?.kind === 'text') last.text += ` ${line.trim()}`;
      else blocks.push({ kind: 'text', text: line.trim() });
    }
  }
  return blocks;
}

/** Between single backticks: code. */
export const partsOf = (text: string): { text: string; code: boolean }[] =>
  text.split('`').flatMap((part, i) => (part === '' ? [] : [{ text: part, code: i % 2 === 1 }]));
