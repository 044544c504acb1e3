import { CliError, STATUS } from './errors.ts';
import { runProgram, type Verbs } from './program.ts';

/** Does what this process's command line asks, and ends the process with the exit status. */
export async function runProcess(verbs: Verbs): Promise<never> {
  process.on('uncaughtException', (error) => process.exit(report(error)));
  process.exit(await runProgram(process.argv.slice(2), verbs).catch(report));
}

/** Tells a failure in one line, with its stack under --verbose, and gives the exit status. */
function report(error: unknown): number {
  const failure = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`vitrine: ${failure.message.replaceAll('\n', ' ')}\n`);
  if (process.argv.includes('--verbose')) process.stderr.write(`${failure.stack}\n`);
  return failure instanceof CliError ? failure.status : STATUS.failed;
}
