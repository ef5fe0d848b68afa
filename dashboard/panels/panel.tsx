/** A panel of the page: title, tools, and a body that is mounted only where it can be seen. */
import type { ComponentChildren } from 'preact';
import { useEffect, useErrorBoundary, useRef, useState } from 'preact/hooks';

interface Props {
  id: string;
  title: string;
  /** Buttons beside the title. */
  tools?: ComponentChildren;
  wide?: boolean;
  /** Of the body, CSS; keeps the page still while it is not mounted. */
  height?: string;
  children: ComponentChildren;
}

/** A panel that fails leaves the others as they are. */
export function Safe({ children }: { children: ComponentChildren }) {
  const [error, retry] = useErrorBoundary();
  if (error === undefined) return <>{children}</>;
  return (
    <p role="alert">
      This cannot be shown: {error instanceof Error ? error.message : String(error)}{' '}
      <button type="button" onClick={retry}>
        Try again
      </button>
    </p>
  );
}

export function Panel({ id, title, tools, wide = false, height, children }: Props) {
  const section = useRef<HTMLElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(false);
  /** While it is not mounted: as high as it was, so that the page stays where it is. */
  const [room, setRoom] = useState(height);
  useEffect(() => {
    const observer = new IntersectionObserver(
      (entries) => {
        const isSeen = entries.at(-1)!.isIntersecting;
        // Who is in it with the keyboard stays there.
        if (!isSeen && body.current!.contains(document.activeElement)) return;
        if (!isSeen && body.current!.childElementCount > 0) setRoom(`${body.current!.offsetHeight}px`);
        setSeen(isSeen);
      },
      { rootMargin: '200px' },
    );
    observer.observe(section.current!);
    return () => observer.disconnect();
  }, []);
  return (
    <section ref={section} class={`panel stack ${wide ? 'wide' : ''}`} aria-labelledby={`t-${id}`}>
      <div class="row title">
        <h2 id={`t-${id}`}>{title}</h2>
        {tools}
      </div>
      <div ref={body} class="stack body" style={{ minHeight: seen ? height : room }}>
        {seen ? <Safe>{children}</Safe> : null}
      </div>
    </section>
  );
}
