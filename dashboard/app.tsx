/** The page: which panels there are, and in which order. */
import { computed } from '@preact/signals';
import { Announcer } from './panels/announcer.tsx';
import { Connection } from './panels/connectionPanel.tsx';
import { DropZone } from './panels/drop.tsx';
import { GainPanel } from './panels/gainPanel.tsx';
import { HeatmapPanel } from './panels/heatmapPanel.tsx';
import { Help } from './panels/helpDialog.tsx';
import { MemoryBars } from './panels/memoryPanel.tsx';
import { Panel, Safe } from './panels/panel.tsx';
import { Cost, DeviationChart, LossChart, StepTimeChart } from './panels/runCharts.tsx';
import { Runs } from './panels/runsPanel.tsx';
import { SelfTestPanel } from './panels/selfTestPanel.tsx';
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
          <section class="panel stack">
            <h2>No run yet</h2>
            <p class="note">
              Wrap a training loop with <code>watch(model, {'{ run, optimizer }'})</code>, or type <code>npx gainwatch demo</code>. It shows
              here by itself. A recording (RUN.sqlite) can be dropped on this page.
            </p>
          </section>
        ) : (
          <>
            <Toolbar />
            <div class="grid">
              <GainPanel />
              <Panel id="connection" title="Connection" height="400px">
                <Connection />
              </Panel>
              <HeatmapPanel />
              <Panel id="memory" title="Memory by connection and kind" height="var(--chart)">
                <MemoryBars />
              </Panel>
              <WarningsPanel />
              <Panel id="runs" title="Runs" height="220px">
                <Runs />
              </Panel>
              <Safe>
                <SelfTestPanel />
              </Safe>
              <Panel id="deviation" title="Deviation of row and column sums" height="var(--chart)">
                <DeviationChart />
              </Panel>
              <Panel id="loss" title="Loss and gradient norm" height="var(--chart)">
                <LossChart />
              </Panel>
              <Panel id="stepTime" title="Step time" height="var(--chart)" tools={<Cost />}>
                <StepTimeChart />
              </Panel>
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
