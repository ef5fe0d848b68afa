/** Takes the pictures of the README in a real Chromium, of the demo's own runs. `npm run pictures [-- --help]`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { GAINWATCH, launch, openUseful, serve } from './usefulPage.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: join(tmpdir(), 'gainwatch-pictures') },
    out: { type: 'string', default: join(import.meta.dirname, '../../../dashboard/pictures') },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npm run pictures [-- --runs F --out F --chromium PATH]

Where F has no run hc, the demo is trained into it first: about half a minute.`);
  process.exit(0);
}

const PICTURES = [
  { name: 'light', hash: 'run=hc&compare=mhc', width: 1440, height: 1320, colorScheme: 'light' },
  { name: 'dark', hash: 'run=hc&gain=layer&smooth=0.6', width: 1440, height: 1320, colorScheme: 'dark' },
  { name: 'phone', hash: 'run=hc', width: 390, height: 844, colorScheme: 'light' },
] as const;

if (!existsSync(join(values.runs, 'hc.sqlite'))) {
  const { status } = spawnSync(process.execPath, [GAINWATCH, 'demo', '--exit', '--port', '0', '--runs', values.runs], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`gainwatch demo ended with ${status}`);
}
const server = await serve(['serve', '--runs', values.runs]);
const browser = await launch(values.chromium);
for (const { name, hash, width, height, colorScheme } of PICTURES) {
  // High at first, so that the heatmap is there on a phone too.
  const options = { viewport: { width, height: 3000 }, colorScheme, deviceScaleFactor: width < 500 ? 2 : 1 };
  const { page } = await openUseful(browser, `${server.url}#${hash}`, options);
  await page.setViewportSize({ width, height });
  await page.waitForTimeout(1500);
  const path = join(values.out, `${name}.png`);
  await page.screenshot({ path });
  console.log(path);
}
await browser.close();
server.stop();
