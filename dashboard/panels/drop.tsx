/** Recordings that are dropped on the page or opened by a button: sent to the server, then shown. Reads no file itself. */
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { bytes } from '../model/format.ts';
import { showRun } from '../state/liveStream.ts';
import { upload } from '../state/requests.ts';
import './drop.css';

/** What became of the last upload. */
const status = signal<{ text: string; state: 'busy' | 'done' | 'failed' } | null>(null);

let uploads: Promise<void> = Promise.resolve();

/** One after the other; the last that the server accepts is shown. */
function queueUploads(files: FileList | null): void {
  for (const file of files ?? []) uploads = uploads.then(() => send(file));
}

async function send(file: File): Promise<void> {
  status.value = { text: `Sending ${file.name} (${bytes(file.size)}) to the server, which checks it …`, state: 'busy' };
  try {
    const { run } = await upload(file);
    status.value = { text: `${file.name} is checked; opening ${run} …`, state: 'busy' };
    await showRun(run);
    status.value = { text: `${file.name} is open as ${run}, read-only.`, state: 'done' };
  } catch (error) {
    status.value = { text: `${file.name} was not taken: ${(error as Error).message}`, state: 'failed' };
  }
}

export function OpenRecording() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" onClick={() => input.current?.click()}>
        Open a recording…
      </button>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        accept=".sqlite"
        aria-label="Recording"
        onChange={({ currentTarget }) => {
          queueUploads(currentTarget.files);
          currentTarget.value = '';
        }}
      />
    </>
  );
}

const holdsFile = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;

export function DropZone() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const drag = (event: DragEvent) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      event.dataTransfer!.dropEffect = 'copy';
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent) => {
      setOver(false);
      if (!holdsFile(event)) return;
      event.preventDefault();
      queueUploads(event.dataTransfer!.files);
    };
    const mounted = new AbortController();
    const options = { signal: mounted.signal };
    const handlers = { dragenter: drag, dragover: drag, dragleave: leave, drop };
    for (const [event, handle] of Object.entries(handlers)) window.addEventListener(event, handle as EventListener, options);
    return () => mounted.abort();
  }, []);
  const shown = status.value;
  return (
    <>
      {over ? (
        <div class="drop-here" aria-hidden="true">
          <p>Drop a recording (RUN.sqlite): it is sent to this server and opened read-only.</p>
        </div>
      ) : null}
      <section class={`drop-status ${shown?.state ?? ''}`} aria-label="Upload">
        <span role="status">{shown?.text ?? ''}</span>
        {shown === null || shown.state === 'busy' ? null : (
          <button type="button" aria-label="Dismiss" onClick={() => (status.value = null)}>
            ×
          </button>
        )}
      </section>
    </>
  );
}
