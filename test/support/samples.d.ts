import type { StepReport } from '../../src/telemetry/report.ts';
import { type RunHeader, type StepSample } from '../../src/telemetry/sample.ts';
import type { Warning, WarningRecord } from '../../src/telemetry/warning.ts';
export declare function testHeader(run: string, layers?: number, streams?: number, tokens?: number): RunHeader;
/** Random matrices near the identity; step by step different, the same for the same step. */
export declare function testSample(header: RunHeader, step: number, change?: Partial<StepSample>): StepSample;
/** Raised at step 7, and holding. */
export declare const testWarning: (warning?: Partial<Warning>, record?: Partial<WarningRecord>) => WarningRecord;
export declare const testReport: (header: RunHeader, step: number, change?: Partial<StepSample>) => StepReport;
