#!/usr/bin/env node
/** The command line: reads the arguments and calls the command. TF.js is loaded only where a model is trained. */
import { Command } from 'commander';
import { packageVersion } from '../service.ts';
import { addDemoCommand } from './demoCommand.ts';
import { exportCsv } from './export.ts';
import { notify } from './notify.ts';
import { notifyFlag, parseBytes, parsePositive, runsFlag, withServerFlags } from './options.ts';
import { pythonFolder } from './python.ts';
import { type ReplayFlags, replay, type ServeFlags, serve } from './serve.ts';

const program = new Command('gainwatch')
  .description('Sees a hyper-connection training run going wrong before the loss does.')
  .version(packageVersion())
  .showHelpAfterError('(--help shows what there is)');

addDemoCommand(program);

withServerFlags(
  program
    .command('serve')
    .description('Dashboard, /metrics and the HTTP interface over a folder of recordings and the runs that are sent to it.')
    .option('--rank-label', 'metrics of each data-parallel rank too: more series', false)
    .addOption(notifyFlag().env('GAINWATCH_NOTIFY'))
    .addOption(runsFlag())
    .option('--no-record', 'keep nothing: what is sent is shown, and gone with the server')
    .option('--keep-days <number>', 'remove recordings so many days after their run has ended (default: never)', parsePositive)
    .option('--max-bytes <size>', 'remove the oldest ended runs above so much in all, like 10G or 500M (default: never)', parseBytes),
).action((flags: ServeFlags) => serve(flags));

withServerFlags(
  program
    .command('replay')
    .description('Feed a recording through the pipeline again: dashboard, metrics and stream as if the run went on.')
    .argument('<file>', 'a recording, RUN.sqlite')
    .option('--speed <factor>', 'times the speed of the recording', parsePositive, 1)
    .option('--exit', 'end after the last step instead of serving on', false)
    .addOption(notifyFlag())
    .option('--runs <folder>', 'record the replay there, as a new attempt (default: recorded nowhere)'),
).action((file: string, flags: ReplayFlags) => replay(file, flags));

program
  .command('export')
  .description('A recording as CSV: one row per attempt, step and connection.')
  .argument('<file>', 'a recording, RUN.sqlite')
  .option('--out <file>', 'file to write (default: standard output)')
  .action((file: string, { out }: { out?: string }) => exportCsv(file, out));

program
  .command('notify')
  .description('Post a test warning to addresses, as a run would, to see that they are right.')
  .argument('<address...>', "http or https; slack:https://… for Slack's format")
  .action(async (addresses: string[]) => {
    if (!(await notify(addresses))) process.exitCode = 1;
  });

program
  .command('python')
  .description('Print the folder of the package for PyTorch: pip install "$(npx gainwatch python)".')
  .action(() => void process.stdout.write(`${pythonFolder()}\n`));

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // `gainwatch export … | head`
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`gainwatch: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
