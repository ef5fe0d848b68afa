/** The page: which panels there are, and in which order. */
import { computed } from '@preact/signals';
import { Announcer } from './panels/announcer.tsx';
import { ConnectionPanel } from './panels/connection.tsx';
import { DeviationPanel } from './panels/deviation.tsx';
import { DropZone } from './panels/drop.tsx';
import { GainPanel } from './panels/gain.tsx';
import { HeatmapPanel } from './panels/heatmap.tsx';
import { Help } from './panels/help.tsx';
import { LossPanel } from './panels/loss.tsx';
import { MemoryPanel } from './panels/memory.tsx';
import { Safe } from './panels/panel.tsx';
import { RunsPanel } from './panels/runs.tsx';
import { StepTimePanel } from './panels/stepTime.tsx';
import { Toolbar } from './panels/toolbar.tsx';
import { Verdict } from './panels/verdict.tsx';
import { WarningsPanel } from './panels/warnings.tsx';
import { runs } from './store.ts';
import { view } from './viewState.ts';

/** Else the page would be built anew with every change of the view. */
const isEmpty = computed(() => runs.value.length === 0 || view.value.run === null);

export function App() {
  return (
    <>
      <header>
        <h1>gainwatch</h1>
        <Safe>
          <Verdict />
        </Safe>
      </header>
      <main>
        {isEmpty.value ? (
          <section class="panel empty" data-testid="empty">
            <h2>No run yet</h2>
            <p>
              Wrap a training loop with <code>watch(model, {'{ run, optimizer }'})</code>, or type <code>npx gainwatch demo</code>. It shows
              here by itself. A recording (RUN.sqlite) can be dropped on this page.
            </p>
          </section>
        ) : (
          <>
            <Toolbar />
            <div class="grid">
              <GainPanel />
              <ConnectionPanel />
              <HeatmapPanel />
              <MemoryPanel />
              <WarningsPanel />
              <RunsPanel />
              <DeviationPanel />
              <LossPanel />
              <StepTimePanel />
            </div>
          </>
        )}
      </main>
      <DropZone />
      <Help />
      <Announcer />
    </>
  );
}
