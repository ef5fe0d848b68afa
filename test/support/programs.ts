/** Programs that a suite needs and a machine may lack. A missing one is reported loudly and its suite is skipped, not failed. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Path of a program: from the environment variable, or the first of the names in PATH; null, after saying what to install. */
export function findProgram(names: readonly string[], variable: string, install: string): string | null {
  const given = process.env[variable];
  const candidates =
    given !== undefined
      ? [given]
      : names.flatMap((name) => (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name)));
  for (const path of candidates) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // next
    }
  }
  console.warn(`\nSKIPPED: ${names[0]} is missing. Install it (${install}) or set ${variable} to its path.\n`);
  return null;
}

export const findChromium = () => findProgram(['chromium', 'chromium-browser', 'google-chrome'], 'CHROMIUM', 'apt-get install chromium');
export const findPrometheus = () => findProgram(['prometheus'], 'PROMETHEUS', 'apt-get install prometheus');
export const findPromtool = () => findProgram(['promtool'], 'PROMTOOL', 'apt-get install prometheus');
export const findSqlite = () => findProgram(['sqlite3'], 'SQLITE3', 'apt-get install sqlite3');
export const findAlertmanager = () =>
  findProgram(['prometheus-alertmanager', 'alertmanager'], 'ALERTMANAGER', 'apt-get install prometheus-alertmanager');
export const findAmtool = () => findProgram(['amtool'], 'AMTOOL', 'apt-get install prometheus-alertmanager');
