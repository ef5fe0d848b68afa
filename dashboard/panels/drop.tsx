/** Recordings that are dropped on the page or opened by a button: sent to the server, then shown. Reads no file itself. */
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { bytes } from '../model/format.ts';
import { showRun } from '../state/liveStream.ts';
import { upload } from '../state/requests.ts';
import './drop.css';

/** What became of the last upload. */
const said = signal<{ text: string; failed: boolean; busy: boolean } | null>(null);

const say = (text: string, state: 'busy' | 'done' | 'failed') => {
  said.value = { text, failed: state === 'failed', busy: state === 'busy' };
};

let queue: Promise<void> = Promise.resolve();

/** One after the other; the last that is taken is shown. */
function take(files: FileList | null): void {
  for (const file of files ?? []) queue = queue.then(() => send(file));
}

async function send(file: File): Promise<void> {
  say(`Sending ${file.name} (${bytes(file.size)}) to the server, which checks it …`, 'busy');
  try {
    const { run } = await upload(file);
    say(`${file.name} is checked; opening ${run} …`, 'busy');
    await showRun(run);
    say(`${file.name} is open as ${run}, read-only.`, 'done');
  } catch (error) {
    say(`${file.name} was not taken: ${(error as Error).message}`, 'failed');
  }
}

export function OpenRecording() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" data-testid="open-recording" onClick={() => input.current?.click()}>
        Open a recording…
      </button>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        accept=".sqlite"
        aria-label="Recording"
        data-testid="open-recording-file"
        onChange={({ currentTarget }) => {
          take(currentTarget.files);
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
      take(event.dataTransfer!.files);
    };
    window.addEventListener('dragenter', drag);
    window.addEventListener('dragover', drag);
    window.addEventListener('dragleave', leave);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragenter', drag);
      window.removeEventListener('dragover', drag);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('drop', drop);
    };
  }, []);
  const state = said.value;
  return (
    <>
      {over ? (
        <div class="drop-here" data-testid="drop-here" aria-hidden="true">
          <p>Drop a recording (RUN.sqlite): it is sent to this server and opened read-only.</p>
        </div>
      ) : null}
      <section class={`drop-said${state?.failed ? ' failed' : ''}`} aria-label="Upload">
        <span role="status" data-testid="upload-status">
          {state === null ? '' : state.text}
        </span>
        {state === null || state.busy ? null : (
          <button type="button" aria-label="Dismiss" onClick={() => (said.value = null)}>
            ×
          </button>
        )}
      </section>
    </>
  );
}
