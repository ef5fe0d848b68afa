/** From a score per step to alarms. */

/** How a score becomes alarms: bare edges, or with the hysteresis that our detectors have. */
export interface Latching {
  /** Steps in a row at or above the threshold that raise an alarm. */
  confirm: number;
  /** Steps in a row below it that end one. */
  clear: number;
}

export const EDGES: Latching = { confirm: 1, clear: 1 };
export const LATCHED: Latching = { confirm: 2, clear: 100 };

/** @returns the steps (from 1) at which an alarm is raised */
export function alarmsOf(score: Float64Array, threshold: number, { confirm, clear }: Latching): number[] {
  const alarms: number[] = [];
  let up = false;
  let run = 0;
  for (let i = 0; i < score.length; i++) {
    // A score that is no number is no reason for an alarm.
    const changes = up ? !(score[i] >= threshold) : score[i] >= threshold;
    run = changes ? run + 1 : 0;
    if (run < (up ? clear : confirm)) continue;
    up = !up;
    run = 0;
    if (up) alarms.push(i + 1);
  }
  return alarms;
}
