/** The page: which panels there are, and in which order. */
import { computed } from '@preact/signals';
import { Announcer } from './panels/announcer.tsx';
import { ConnectionPanel } from './panels/connectionPanel.tsx';
import { DeviationPanel } from './panels/deviationPanel.tsx';
import { DropZone } from './panels/drop.tsx';
import { GainPanel } from './panels/gainPanel.tsx';
import { HeatmapPanel } from './panels/heatmapPanel.tsx';
import { Help } from './panels/helpDialog.tsx';
import { LossPanel } from './panels/lossPanel.tsx';
import { MemoryPanel } from './panels/memoryPanel.tsx';
import { Safe } from './panels/panel.tsx';
import { RunsPanel } from './panels/runsPanel.tsx';
import { StepTimePanel } from './panels/stepTimePanel.tsx';
import { Toolbar } from './panels/toolbar.tsx';
import { VerdictBanner } from './panels/verdictBanner.tsx';
import { WarningsPanel } from './panels/warningsPanel.tsx';
import { runs } from './state/store.ts';
import { view } from './state/viewState.ts';

/** Else the page would be built anew with every change of the view. */
const isEmpty = computed(() => runs.value.length === 0 || view.value.run === null);

export function App() {
  return (
    <>
      <header>
        <h1>gainwatch</h1>
        <Safe>
          <VerdictBanner />
        </Safe>
      </header>
      <main>
        {isEmpty.value ? (
          <section class="panel empty">
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
