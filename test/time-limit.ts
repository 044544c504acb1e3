// Loaded into every process of the test runner, see package.json: a test file that does not end is ended, so that one which
// leaves something open, or waits for ever, costs the run its minutes and not its result.
import { writeSync } from 'node:fs';

const LIMIT_MINUTES = Number(process.env.VITRINE_TEST_FILE_MINUTES ?? 15);

/** Node's runner sets this in the processes that it starts for files. */
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ');
    writeSync(2, `${process.argv[1]}: did not end within ${LIMIT_MINUTES} minutes, open: ${open}\n`);
    process.kill(process.pid, 'SIGKILL');
  }, LIMIT_MINUTES * 60_000).unref();
}
