/** A table that scrolls within its place, also by the keyboard; and the one behind a chart. What stands in it is given. */
import type { ComponentChildren } from 'preact';
import './scrollTable.css';

interface ScrollProps {
  id?: string;
  class: string;
  /** For readers of the screen. */
  label: string;
  children: ComponentChildren;
}

export const ScrollArea = ({ id, class: name, label, children }: ScrollProps) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
  <section id={id} class={`scroll ${name}`} aria-label={label} tabIndex={0}>
    {children}
  </section>
);

interface TableProps {
  /** Of the chart. */
  id: string;
  title: string;
  caption: string;
  heads: readonly string[];
  /** Rows. */
  children: ComponentChildren;
}

export const ChartTable = ({ id, title, caption, heads, children }: TableProps) => (
  <ScrollArea id={`table-${id}`} class="chart-table" label={`${title}: table`}>
    <table>
      <caption>{caption}</caption>
      <thead>
        <tr>
          {heads.map((head) => (
            <th scope="col" key={head}>
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  </ScrollArea>
);
