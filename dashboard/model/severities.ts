/** The severities, the worst first. A list of our own, as the dashboard takes only types from src/telemetry. */
import type { Severity } from '../../src/telemetry/warning.ts';

export const SEVERITIES: readonly Severity[] = ['critical', 'warning', 'info'];
