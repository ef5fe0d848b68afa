/** `gainwatch notify`: posts a test warning and says what came of it. */
import { MAX_GAIN, MAX_GAIN_CRITICAL } from '../../alerts/limits.ts';
import type { Warning, WarningRecord } from '../../src/telemetry/warning.ts';
import { deliver } from '../notify/notifier.ts';
import { noticeOf, parseTarget } from '../notify/target.ts';
import { print } from './options.ts';

/** How long the command may take; all targets are tried at the same time. Our choice: someone waits for it. */
const MAX_WAIT_MS = 15_000;

/** @returns whether all were delivered. @throws Error on an address that is none */
export async function notify(addresses: readonly string[]): Promise<boolean> {
  const targets = addresses.map(parseTarget);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const timer = setTimeout(() => stop.abort(), MAX_WAIT_MS);
  const notice = noticeOf('raised', testWarning(Date.now()));
  const delivered = targets.map(async (target) => {
    const onRetry = (problem: string) => print(`${target.shown}: ${problem}; trying again`);
    const problem = await deliver(target, notice, { fetch, random: Math.random, onRetry }, stop.signal);
    print(`${target.shown} (${target.format}): ${problem ?? 'delivered'}`);
    return problem === null;
  });
  const all = await Promise.all(delivered);
  clearTimeout(timer);
  return all.every(Boolean);
}

function testWarning(time: number): WarningRecord {
  const warning: Warning = {
    run: 'test',
    rule: 'gain-forecast',
    severity: 'critical',
    step: 1,
    time,
    connection: 'block0.attention',
    suspects: ['block0.attention'],
    measure: 'compositeGain',
    value: MAX_GAIN,
    threshold: MAX_GAIN_CRITICAL,
    stepsLeft: 100,
    interval: [50, 200],
    cause: null,
    message: 'This is a test of gainwatch: no run is in trouble.',
    runbook: 'runbook.md#gain-forecast',
  };
  return { id: 0, warning, clearedStep: null, clearedTime: null, acknowledgedTime: null };
}
