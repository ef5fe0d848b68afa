/** Recordings that are dropped on the page or opened by a button: sent to the server, then shown. Reads no file itself. */
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { bytes } from '../model/format.ts';
import { showRun } from '../state/liveStream.ts';
import { upload } from '../state/requests.ts';
import './drop.css';

/** What became of the last upload. */
const status = signal<{ text: string; failed: boolean; busy: boolean } | null>(null);

const showStatus = (text: string, state: 'busy' | 'done' | 'failed') => {
  status.value = { text, failed: state === 'failed', busy: state === 'busy' };
};

let uploads: Promise<void> = Promise.resolve();

/** One after the other; the last that the server accepts is shown. */
function queueUploads(files: FileList | null): void {
  for (const file of files ?? []) uploads = uploads.then(() => send(file));
}

async function send(file: File): Promise<void> {
  showStatus(`Sending ${file.name} (${bytes(file.size)}) to the server, which checks it …`, 'busy');
  try {
    const { run } = await upload(file);
    showStatus(`${file.name} is checked; opening ${run} …`, 'busy');
    await showRun(run);
    showStatus(`${file.name} is open as ${run}, read-only.`, 'done');
  } catch (error) {
    showStatus(`${file.name} was not taken: ${(error as Error).message}`, 'failed');
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
    window.addEventListener('dragenter', drag, options);
    window.addEventListener('dragover', drag, options);
    window.addEventListener('dragleave', leave, options);
    window.addEventListener('drop', drop, options);
    return () => mounted.abort();
  }, []);
  const state = status.value;
  return (
    <>
      {over ? (
        <div class="drop-here" aria-hidden="true">
          <p>Drop a recording (RUN.sqlite): it is sent to this server and opened read-only.</p>
        </div>
      ) : null}
      <section class={`drop-status${state?.failed ? ' failed' : ''}`} aria-label="Upload">
        <span role="status">{state === null ? '' : state.text}</span>
        {state === null || state.busy ? null : (
          <button type="button" aria-label="Dismiss" onClick={() => (status.value = null)}>
            ×
          </button>
        )}
      </section>
    </>
  );
}
