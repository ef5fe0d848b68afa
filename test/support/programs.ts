/** Programs that a suite needs and a machine may lack. A missing one is reported loudly and its suite is skipped, not failed. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Path of a program: from the environment variable, or the first of the names in PATH; null, after saying what to install. */
function findProgram(names: readonly string[], variable: string, debianPackage: string): string | null {
  const given = process.env[variable];
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const candidates = given === undefined ? names.flatMap((name) => folders.map((folder) => join(folder, name))) : [given];
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) {
    console.warn(`\nSKIPPED: ${names[0]} is missing. Install it (apt-get install ${debianPackage}) or set ${variable} to its path.\n`);
  }
  return found ?? null;
}

export const findChromium = () => findProgram(['chromium', 'chromium-browser', 'google-chrome'], 'CHROMIUM', 'chromium');
export const findPrometheus = () => findProgram(['prometheus'], 'PROMETHEUS', 'prometheus');
export const findPromtool = () => findProgram(['promtool'], 'PROMTOOL', 'prometheus');
export const findSqlite = () => findProgram(['sqlite3'], 'SQLITE3', 'sqlite3');
export const findAlertmanager = () => findProgram(['prometheus-alertmanager', 'alertmanager'], 'ALERTMANAGER', 'prometheus-alertmanager');
export const findAmtool = () => findProgram(['amtool'], 'AMTOOL', 'prometheus-alertmanager');
